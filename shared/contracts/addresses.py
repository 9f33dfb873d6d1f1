"""Which addresses a job may name: https everywhere, http only for loopback and only when that was allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.contracts.job import JobDefinition, MicrosoftGraphSource

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one field of a job definition, and what to do about it."""

    field: str
    message: str


def check_address(field: str, url: str, *, allow_insecure_loopback: bool) -> Problem | None:
    """Return what is wrong with ``url``, or nothing when it may be called."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return Problem(field=field, message="is not a URL; write https://host/path")
    if not host or parts.scheme not in {"https", "http"}:
        return Problem(field=field, message="is not an https URL; write https://host/path")
    if parts.username or parts.password:
        return Problem(field=field, message="holds a user name or password; put credentials in the job's secrets")
    if parts.fragment or (port == 0):
        return Problem(field=field, message="holds a fragment or an impossible port; write https://host/path")
    if parts.scheme == "http" and not (allow_insecure_loopback and host in LOOPBACK_HOSTS):
        return Problem(
            field=field,
            message="must be https; http is taken for loopback addresses only, and only with "
            "SEATKEEPER_ALLOW_INSECURE_LOOPBACK=true",
        )
    return None


def check_addresses(definition: JobDefinition, *, allow_insecure_loopback: bool) -> Iterator[Problem]:
    """Yield what is wrong with the addresses of a job definition, named by their camelCase path."""
    fields = {"target.tenantUrl": definition.target.tenant_url}
    if isinstance(definition.source, MicrosoftGraphSource):
        fields |= {"source.graphRoot": definition.source.graph_root, "source.loginRoot": definition.source.login_root}
    for field, url in fields.items():
        if problem := check_address(field, url, allow_insecure_loopback=allow_insecure_loopback):
            yield problem
