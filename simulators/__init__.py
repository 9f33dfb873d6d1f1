"""Servers that stand in for the outside world in demos, tests and benchmarks: real sockets, with faults on demand."""
