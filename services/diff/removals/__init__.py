"""The deletion guard: removals of a cycle wait until the cycle is complete, are counted once, and go out or are held."""
