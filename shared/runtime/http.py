"""The bounded HTTP client: time limits, size limits, no redirects, no cookies, one pool for each peer; never a body in an error."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client import Histogram
from yarl import URL

from shared.contracts.addresses import check_address

_SECONDS = Histogram(
    "seatkeeper_http_request_seconds",
    "Seconds of requests to sources and targets.",
    ["peer", "method", "status"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

CHUNK_BYTES = 65_536


class HttpError(Exception):
    """No usable answer. ``maybe_done`` tells whether the peer may have acted on the request all the same."""

    def __init__(self, message: str, *, maybe_done: bool) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class AddressRefusedError(HttpError):
    """The address may not be called: not https, or not loopback. Nothing was sent."""


class UnreachableError(HttpError):
    """No connection could be made. Nothing was sent."""


class TimedOutError(HttpError):
    """The peer did not answer in time."""


class ConnectionLostError(HttpError):
    """The connection broke before the whole answer was there."""


class AnswerTooLargeError(HttpError):
    """The answer is larger than allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the peer answered: status, headers (names compare without case), body as bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one client. Times are seconds."""

    connections: int = 32
    connect_seconds: float = 5.0
    total_seconds: float = 30.0
    answer_bytes: int = 10_000_000


class HttpClient:
    """One client for one kind of peer (``peer`` names it in metrics). Open it inside a running event loop; close it at the end.

    ``tls`` says whom to trust; without it that is the machine's own store (OpenSSL: ``SSL_CERT_FILE``).
    """

    def __init__(
        self,
        peer: str,
        *,
        allow_insecure_loopback: bool,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._peer = peer
        self._allow = allow_insecure_loopback
        self._limits = limits or Limits()
        self._tls: ssl.SSLContext | bool = tls or True
        self._session = self._open(new_connections=False)
        self._fresh: aiohttp.ClientSession | None = None
        self._allowed: set[str] = set()
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def _open(self, *, new_connections: bool) -> aiohttp.ClientSession:
        keep: dict[str, Any] = {"force_close": True} if new_connections else {"keepalive_timeout": 20}
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._limits.connections, ttl_dns_cache=300, ssl=self._tls, **keep),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._limits.total_seconds, sock_connect=self._limits.connect_seconds),
            headers={"User-Agent": "seatkeeper"},
            auto_decompress=True,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        if self._fresh is not None:
            await self._fresh.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        new_connection: bool = False,
    ) -> Answer:
        """Send one request and return the whole answer, whatever its status.

        ``new_connection`` sends it over a connection of its own: behind a load balancer that is another server than the one that failed.
        Raises ``AddressRefusedError``, ``UnreachableError``, ``TimedOutError``, ``ConnectionLostError``, ``AnswerTooLargeError``.
        """
        self._check(url)
        began = time.monotonic()
        status = "none"
        try:
            # encoded=True: the address goes out as it was built or received; links of a peer must not be quoted anew.
            address = URL(url, encoded=True)
            async with self._session_for(new_connection=new_connection).request(
                method, address, headers=headers, data=body, allow_redirects=False
            ) as response:
                content = await self._read(response)
                status = str(response.status)
                return Answer(
                    status=response.status,
                    headers=response.headers,
                    body=content,
                    duration_ms=int((time.monotonic() - began) * 1000),
                )
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise UnreachableError(
                f"{self._peer} cannot be reached ({type(error).__name__})", maybe_done=False
            ) from None
        except TimeoutError:
            raise TimedOutError(
                f"{self._peer} did not answer within {self._limits.total_seconds:g} s", maybe_done=True
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLostError(
                f"the connection to {self._peer} broke ({type(error).__name__})", maybe_done=True
            ) from None
        finally:
            self._seconds(method, status).observe(time.monotonic() - began)

    def _session_for(self, *, new_connection: bool) -> aiohttp.ClientSession:
        if not new_connection:
            return self._session
        if self._fresh is None:
            self._fresh = self._open(new_connections=True)
        return self._fresh

    def _seconds(self, method: str, status: str) -> Histogram:
        # labels() takes a lock and formats its values each time; there are few combinations.
        known = self._histograms.get((method, status))
        if known is None:
            known = self._histograms[method, status] = _SECONDS.labels(self._peer, method, status)
        return known

    def _check(self, url: str) -> None:
        origin = url[: url.find("/", 8)] if url.find("/", 8) > 0 else url
        if origin in self._allowed:
            return
        if problem := check_address("address", url, allow_insecure_loopback=self._allow):
            raise AddressRefusedError(f"the address of {self._peer} {problem.message}", maybe_done=False)
        self._allowed.add(origin)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length <= CHUNK_BYTES:
            return await response.read()
        chunks, size = [], 0
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > self._limits.answer_bytes:
                raise AnswerTooLargeError(
                    f"the answer of {self._peer} is larger than {self._limits.answer_bytes} bytes", maybe_done=True
                )
            chunks.append(chunk)
        return b"".join(chunks)
