"""What all proofs with the official SDKs share."""

from __future__ import annotations

import os

# The emulators are on loopback; a proxy of the environment must not come between.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
