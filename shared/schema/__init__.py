"""The synchronization schema of a job: its checks, its expressions, its filters, and what they make of one object. Pure, no I/O."""
