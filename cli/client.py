"""The console's REST API as the command line uses it: one method a request, one sentence for what goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import click
import orjson

from cli.failures import CommandFailedError

R = TypeVar("R")

TIMEOUT_SECONDS = 30


class Client:
    """A signed-in connection to one console."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send one request below ``/api/v1`` and return the parsed answer.

        Raises ``CommandFailedError`` with the problem's own words (RFC 9457) and the fields that it names.
        """
        data = None if body is None else orjson.dumps(body)
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method, f"{self._url}/api/v1{path}", data=data, headers=sent, params=query
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandFailedError(
                f"The console at {self._url} does not answer ({type(error).__name__}). Is it running? Start it with: seatkeeper up"
            ) from None
        if response.status >= 400:
            raise CommandFailedError(_problem(response.status, content))
        return orjson.loads(content) if content else None

    async def get(self, path: str, **query: str) -> Any:
        """GET below ``/api/v1``."""
        return await self.request("GET", path, query=query or None)

    async def put(self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, **query: str) -> Any:
        """PUT below ``/api/v1``."""
        return await self.request("PUT", path, body, query=query or None, headers=headers)

    async def post(self, path: str, body: Any = None) -> Any:
        """POST below ``/api/v1``."""
        return await self.request("POST", path, body)

    async def only_job(self, job: str | None) -> str:
        """Return the id of ``job`` (an id, or the start of one, or a display name), or of the only job there is."""
        jobs = (await self.get("/jobs"))["value"]
        found = [item for item in jobs if job is None or item["id"].startswith(job) or item["displayName"] == job]
        if len(found) == 1:
            return str(found[0]["id"])
        known = ", ".join(f"{item['id']} ({item['displayName']})" for item in jobs) or "none"
        if not found:
            raise CommandFailedError(f"There is no such job. Known jobs: {known}.")
        raise CommandFailedError(f"Say which job you mean, with --job or as JOB. Known jobs: {known}.")


def why(reason: str) -> dict[str, str]:
    """Return the header that carries the reason of an operator."""
    words = " ".join(reason.split())  # a header has one line
    return {"X-Seatkeeper-Reason": words} if words else {}


def _problem(status: int, content: bytes) -> str:
    try:
        problem = orjson.loads(content)
        places = [f"{item['field']}: {item['message']}" for item in problem.get("errors", [])]
        # Each place on a line of its own, unless there is one only.
        fields = places[0] if len(places) == 1 else "".join(f"\n  {place}" for place in places)
        said = ". ".join(part.rstrip(".") for part in (problem.get("title"), problem.get("detail")) if part)
        text = f"{said}:{fields}" if len(places) > 1 else ". ".join(part for part in (said, fields) if part)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        text = ""
    if status == 401 and not text:
        text = "The token is missing, wrong or expired. Make one with: seatkeeper token create"
    return f"{text.rstrip('.')}." if text else f"The console answered {status}."


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[Client]:
    """Yield a client for the console at ``url``."""
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    ) as session:
        yield Client(session, url.rstrip("/"))


def _where(data_dir: Path | None, url: str | None, token: str | None) -> tuple[str, str]:
    if url and token:
        return url, token
    from deploy.embedded.data_folder import default_data_dir

    file = (data_dir or default_data_dir()) / "operator.json"
    try:
        known = orjson.loads(file.read_bytes())
    except OSError:
        raise CommandFailedError(
            "No console is known here. Start one with: seatkeeper up. Or set SEATKEEPER_URL and SEATKEEPER_TOKEN."
        ) from None
    return url or known["url"], token or known["token"]


def with_console(function: Callable[..., Awaitable[R]]) -> Callable[..., R]:
    """Give a command a connected client, and the options that say to which console."""

    @click.option("--url", envvar="SEATKEEPER_URL", help="Console address  [default: the one of this machine]")
    @click.option("--token", envvar="SEATKEEPER_TOKEN", help="Bearer token  [default: the one of this machine]")
    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path),
        envvar="SEATKEEPER_DATA_DIR",
        help="Data folder of `seatkeeper up`.",
    )
    @wraps(function)
    def command(*args: Any, url: str | None, token: str | None, data_dir: Path | None, **kwargs: Any) -> R:
        where = _where(data_dir, url, token)

        async def go() -> R:
            async with connected(*where) as client:
                return await function(client, *args, **kwargs)

        return asyncio.run(go())

    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
job_argument = click.argument("job", required=False)
"""JOB as an argument: id, its beginning, or display name; the only one when it is left out."""
job_option = click.option("--job", help="Job id, its beginning, or display name  [default: the only one]")
reason_option = click.option("--reason", default="", help="Why; kept in the audit log.")
