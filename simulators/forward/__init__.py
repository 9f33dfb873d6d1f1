"""Forwards loopback ports to other hosts, so that containers can reach simulators at the only addresses where http:// is taken."""
