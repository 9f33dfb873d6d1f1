"""The loop that serves the web application, inside the frame: it stops when the frame stops, and leaves signals to the frame."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from services.console.web_app import build_web
from shared.runtime.errors import StartRefusedError
from shared.runtime.frame import Frame
from shared.runtime.log import logger

_log = logger(__name__)

LOOP = "web"
BEAT_SECONDS = 5.0


class _Server(uvicorn.Server):
    """A server that leaves signals to the frame."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Web:
    """Serves API, pages and probes; ``url`` is where, once it listens."""

    def __init__(self) -> None:
        self.url: str | None = None

    async def run(self, frame: Frame) -> None:
        """Serve until the frame stops. Raises ``StartRefusedError`` when the port is taken or no secret key is set."""
        frame.secrets  # noqa: B018 - refused here rather than at the first credential that somebody saves
        with _listening(frame.settings.http_host, frame.settings.http_port) as listener:
            config = uvicorn.Config(
                build_web(frame),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=200,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=5,
            )
            server = _Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
            host, port = listener.getsockname()[:2]
            self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            _log.info("listening", action="listen", url=self.url)
            try:
                await self._beat(frame, serving)
            finally:
                server.should_exit = True
                await serving
                self.url = None
                frame.health.finished(LOOP)

    async def _beat(self, frame: Frame, serving: "asyncio.Task[None]") -> None:
        while not serving.done():
            frame.health.beat(LOOP)
            frame.health.arrived(LOOP)
            if await frame.pause(BEAT_SECONDS):
                return


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefusedError(
            f"SEATKEEPER_HTTP_HOST: {host} is not an address of this machine ({error.strerror}); choose another."
        ) from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(256)
        except OSError as error:
            raise StartRefusedError(
                f"SEATKEEPER_HTTP_PORT: {host}:{port} cannot be opened ({error.strerror}); choose another port or end what holds it."
            ) from None
        listener.setblocking(False)
        yield listener
