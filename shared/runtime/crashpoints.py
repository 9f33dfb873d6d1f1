"""Named places where fault tests end the process with SIGKILL, as a power cut would."""

import os
import signal
from pathlib import Path
from typing import Final

CRASH_POINTS: Final = frozenset(
    {
        "consume.before_commit",
        "consume.after_commit",
        "relay.before_publish",
        "relay.after_publish",
        "watcher.before_commit",
        "watcher.after_commit",
        "diff.release.before_commit",
        "diff.retry.before_commit",
        "diff.rules.before_commit",
        "diff.comparing.before_commit",
        "demand.before_commit",
        "writer.after_claim",
        "writer.after_send",
        "writer.before_settle",
        "writer.after_settle",
        "notifier.before_send",
        "notifier.after_send",
        "console.before_commit",
    }
)

_armed: dict[str, int] = {}
_once: list[Path] = []


def arm(specification: str | None) -> None:
    """Arm ``NAME:COUNT`` or ``NAME:COUNT:FILE``: the process ends at the COUNT-th time it passes NAME.

    With FILE it happens once only: the file is made right before, and where it is already there nothing is armed. Raises ``ValueError``
    for an unknown name.
    """
    _armed.clear()
    _once.clear()
    if not specification:
        return
    name, count, file = [*specification.split(":", 2), "", ""][:3]
    if name not in CRASH_POINTS:
        raise ValueError(
            f"SEATKEEPER_CRASH_POINT: {name} is not a crash point; known: {', '.join(sorted(CRASH_POINTS))}"
        )
    if file:
        if Path(file).exists():
            return
        _once.append(Path(file))
    _armed[name] = int(count or 1)


def crash_point(name: str) -> None:
    """End the process here if this point is armed and its count is reached; otherwise do nothing."""
    if not _armed:
        return
    if name not in CRASH_POINTS:
        raise AssertionError(f"{name} is not listed in CRASH_POINTS")
    if name in _armed:
        _armed[name] -= 1
        if _armed[name] <= 0:
            for file in _once:
                file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
