"""How Seatkeeper is set up: on one machine, in containers; the jobs that run before its services."""
