"""Processes are ended in the middle of their work; a package, so that its tests share one running system."""
