"""Ends every process group of a supervisor that is gone, whatever ended it.

Run as a script by `deploy.embedded.supervisor`, with the standard library only. It reads `+GROUP SIGNAL` and `-GROUP` lines from
its standard input; the end of the input means that the supervisor ended, by SIGKILL even, and the groups still on the list get
their signal, and SIGKILL if that is not enough. It covers what the parent death signal does not: the children of children, and
systems without that signal.
"""

import os
import signal
import sys
import time
from contextlib import suppress

PATIENCE_SECONDS = 8.0
"""PostgreSQL gives its own sessions five seconds in an immediate shutdown."""


def main() -> None:
    """Keeps the list until the input ends, then ends what is on it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        group, _, number = line[1:].partition(" ")
        if line[0] == "+":
            groups[int(group)] = int(number)
        else:
            groups.pop(int(group), None)
    for group, number in groups.items():
        with suppress(OSError):
            os.killpg(group, number)
    until = time.monotonic() + PATIENCE_SECONDS
    for group in groups:
        while _lives(group) and time.monotonic() < until:
            time.sleep(0.05)
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
