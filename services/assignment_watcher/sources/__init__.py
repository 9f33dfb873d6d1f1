"""Sources of assignments: one module each, keeping the protocol of ``source``."""
