"""How long to wait before the next try: growing, bounded, spread by the ids themselves so that a repeat waits the same. Pure."""

from zlib import crc32


def delay(tries: int, key: str, *, first: float, longest: float) -> float:
    """Return the seconds before try ``tries + 1``: ``first`` doubled for each earlier try, at most ``longest``, up to a quarter more."""
    base = min(first * 2.0 ** min(tries - 1, 60), longest)
    return base * (1 + 0.25 * (crc32(f"{key}\x1f{tries}".encode()) / 2**32))
