"""The functions of the expression language, by what they work on. Each module lists its own in ``FUNCTIONS``."""
