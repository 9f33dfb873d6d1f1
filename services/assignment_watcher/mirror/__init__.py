"""The mirror of a job's directory: staging what was read, applying it, and deriving the state of the users that it touches."""
