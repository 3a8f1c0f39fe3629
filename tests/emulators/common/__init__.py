"""What every emulator shares: server, faults, journal, clock, certificates and admin face."""
