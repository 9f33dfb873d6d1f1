"""Previews: what other rules would do about everybody, from the stored state alone; nothing of any person is written."""
