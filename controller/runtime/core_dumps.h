#pragma once

namespace certbinder::runtime {

/// Keeps the memory of this process, which holds private keys while it works, out of core dumps (prctl(2)
/// PR_SET_DUMPABLE, which also stops those that the kernel pipes to a crash handler) and away from other processes of
/// the same user (ptrace). Call before secrets are read.
void forbidCoreDumps();

}  // namespace certbinder::runtime
