"""The one error of the one-machine servers, and what the operating system's refusals mean for a person."""

import errno
from pathlib import Path


class EmbeddedError(Exception):
    """The servers cannot run here. The text is one or two sentences: what happened and what to do.

    Callers print `str(error)` and end; no stack trace is needed to act on it.
    """


def refused(what: str, error: OSError) -> EmbeddedError:
    """Puts an `OSError` into words. `what` completes "Seatkeeper cannot …", for instance "write /data/x"."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            advice = "the disk is full: free some space, or choose another folder with --data-dir"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            advice = "permission is missing: choose a folder that you may write with --data-dir"
        case errno.EADDRINUSE:
            advice = "another program uses that port: stop it, or choose another folder with --data-dir"
        case _:
            advice = f"the system answered: {error.strerror or type(error).__name__}"
    return EmbeddedError(f"Seatkeeper cannot {what}: {advice}.")


# What the servers write into their logs before they give up, and what it means.
_LAST_WORDS = (
    ("No space left on device", "The disk is full: free some space and start again."),
    ("Address already in use", "Another program uses its port: stop that program and start again."),
    ("Permission denied", "It may not write its files: choose a folder that you own with --data-dir."),
    ("OutOfMemoryError", "It ran out of memory: give it more, or close other programs."),
    ("Cannot allocate memory", "The machine is out of memory: close other programs and start again."),
)


def last_words(log: Path) -> str:
    """The sentence that explains the end of a log, or "" when nothing known is in its last 16 KiB."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16_384))
            tail = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return next((sentence for words, sentence in _LAST_WORDS if words in tail), "")
