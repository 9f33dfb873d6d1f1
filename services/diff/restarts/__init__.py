"""Restarts: what each scope forgets, and the sweep that looks at everybody again after a full read."""
