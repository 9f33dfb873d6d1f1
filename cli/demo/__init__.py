"""``seatkeeper demo``: the whole tutorial on real servers, and the guarantees checked from the outside."""
