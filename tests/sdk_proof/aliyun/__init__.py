"""The load balancer's emulator, proven with the official SDKs as its clients."""
