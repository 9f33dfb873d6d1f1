"""The command ``seatkeeper``: brings the system up on one machine, and talks to the console over REST."""
