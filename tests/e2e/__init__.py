"""certbinder as its users run it, against real hosts and emulated clouds."""
