"""Answers of Microsoft Graph that end a read, as errors that say what happened and what to do."""

from services.assignment_watcher.graph.answers import PERMISSION_FOR, Verdict, error_code, resync_reason
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    ResyncError,
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
)


class NotFoundError(Exception):
    """Graph has no such object: it is gone, or not replicated yet."""


def advised(error: SourceError, advice: str) -> SourceError:
    """Return the error with advice that fits better than that of its code."""
    error.failure = error.failure.model_copy(update={"advice": advice})
    return error


def raise_for(verdict: Verdict, kind: str, status: int, body: bytes) -> None:
    """Raise what ``verdict`` means for a read of ``kind``; do nothing when it is one to be tried again."""
    problem = f"Microsoft Graph answered {kind} with {status} {error_code(body)}".rstrip()
    match verdict:
        case Verdict.RESYNC:
            raise ResyncError(resync_reason(status, body))
        case Verdict.RESTART_ROUND:
            raise RestartRoundError(problem)
        case Verdict.NOT_FOUND:
            raise NotFoundError(problem)
        case Verdict.REFUSED:
            raise _denied(kind, problem, status)
        case Verdict.REFRESH_TOKEN:
            raise advised(
                SourceRefusedError(f"{problem}, with a new access token too", http_status=status),
                "Check that source.graphRoot and source.loginRoot of the job belong to the same cloud, and whether a Conditional Access "
                "policy for workload identities blocks the application.",
            )
        case Verdict.STOP:
            raise SourceUnavailableError(problem, http_status=status)
        case _:
            return


def _denied(kind: str, problem: str, status: int) -> SourceError:
    permission = PERMISSION_FOR.get(kind)
    if permission is None:
        return SourceRefusedError(problem, http_status=status)
    return advised(
        SourceRefusedError(
            f"{problem}: the application lacks the permission {permission}, or its consent was withdrawn",
            http_status=status,
        ),
        f"In Microsoft Entra, open the app registration of source.clientId, add the application permission {permission} and grant "
        "admin consent for it. The next cycle tries again.",
    )
