"""Local stand-ins for the cloud APIs, faithful on the wire and steerable by tests."""
