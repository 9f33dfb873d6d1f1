"""Provisioning on demand: one user is read from the source by point reads, beside the cycles, and said anew."""
