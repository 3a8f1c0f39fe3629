import sys

from emulators.common.launch import main
from emulators.huawei.emulator import HuaweiEmulator

sys.exit(main(HuaweiEmulator, "Huawei Cloud SCM v3 and IAM on loopback."))
