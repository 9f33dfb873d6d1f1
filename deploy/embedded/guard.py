"""Ends every process group of a supervisor that is gone, whatever ended it.

Run as a script by `deploy.embedded.supervisor`, with the standard library only. It reads `+GROUP` and `-GROUP` lines from its
standard input; the end of the input means that the supervisor ended, by SIGKILL even, and the groups still on the list get
SIGKILL. It covers what the parent death signal does not: the children of children, and systems without that signal.
"""

import os
import signal
import sys


def main() -> None:
    """Keeps the list until the input ends, then kills what is on it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            continue


if __name__ == "__main__":
    main()
