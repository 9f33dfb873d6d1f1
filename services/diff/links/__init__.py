"""Links between directory objects and accounts at the target: deleted, repaired, and compared with what the target holds."""
