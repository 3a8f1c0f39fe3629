"""What the tests against real components stand on: processes, certificates, and hosts with sshd and nginx."""
