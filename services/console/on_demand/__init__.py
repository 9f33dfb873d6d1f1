"""Provisioning one user on demand: asked for, followed by correlation id, and answered step by step."""
