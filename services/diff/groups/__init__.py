"""Groups as objects at the target, and who belongs to them."""
