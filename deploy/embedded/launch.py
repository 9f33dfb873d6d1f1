"""Becomes another program that cannot outlive the process which started it.

Run as a script by `deploy.embedded.child`, with the standard library only:
`launch.py PARENT_PID UID:GID|- DEATH_SIGNAL PROGRAM ARGUMENTS…`. A program of its own, because neither the change of account nor the death
signal can be arranged safely between fork and exec of a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux, prctl(2): the signal this process gets when the thread that created it ends."""


def main(parent: str, account: str, death_signal: str, *program: str) -> None:
    """Takes on the account, ties this process to its parent and replaces it by the program. Does not return."""
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it; exec of an ordinary binary keeps it.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        # The parent ended before the line above could notice.
        os._exit(1)
    # Python ignores these two, and exec would hand that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(program[0], program)  # noqa: S606 - replacing this process is the purpose; no shell is wanted
    except OSError as error:
        sys.stderr.write(f"{program[0]} cannot be run: {error.strerror}\n")
        os._exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
