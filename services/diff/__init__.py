"""diff: decides what is wanted of the target for each person of a job, and is the only place that knows desired and actual."""
