"""A process with everything it started: what it uses, and how to end it."""

import os
import signal
from contextlib import suppress

import psutil


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below `pid`, without it. Empty when it is gone."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system seconds of the tree, with those of its members that ended and were waited for."""
    total = 0.0
    with suppress(psutil.Error):
        for member in [psutil.Process(pid), *descendants(pid)]:
            with suppress(psutil.Error):
                times = member.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def rss_mib(pid: int) -> float:
    """Resident MiB of the tree. In a tree of several, memory they share counts once where the system tells (Linux PSS)."""
    total = 0
    with suppress(psutil.Error):
        leader = psutil.Process(pid)
        below = descendants(pid)
        if not below:
            return float(leader.memory_info().rss) / 2**20
        for member in [leader, *below]:
            with suppress(psutil.Error):
                total += _share(member)
    return total / 2**20


def _share(member: psutil.Process) -> int:
    try:
        return int(member.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(member.memory_info().rss)


def kill(pid: int) -> None:
    """SIGKILL to the process, to its group (it leads one of its own) and to all below it, even those with groups of their own."""
    below = descendants(pid)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for member in below:
        with suppress(psutil.Error):
            member.kill()
