"""The words the services speak: pure data, no I/O, and nothing of ours imported."""
