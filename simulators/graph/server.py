"""The HTTP server of the Microsoft Graph simulator."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulators.graph.control import Control
from simulators.graph.control_clock import ClockControl
from simulators.graph.control_credentials import CredentialControl
from simulators.graph.control_notifications import NotificationControl
from simulators.graph.control_state import StateControl
from simulators.graph.gate import Gate
from simulators.graph.seed import SeedPlan
from simulators.graph.simulation import Simulation
from simulators.graph.tls import server_context


@dataclass(frozen=True, slots=True)
class GraphSimulator:
    """A simulator that listens. ``url`` is both the Graph root and the login root, without a slash at the end."""

    url: str
    simulation: Simulation
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        await self.simulation.notifier.close()
        await self._runner.cleanup()


def application(sim: Simulation) -> web.Application:
    """The web application of one simulation."""
    gate = Gate(sim)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    for control in (
        Control(sim),
        ClockControl(sim),
        CredentialControl(sim),
        NotificationControl(sim),
        StateControl(sim),
    ):
        app.add_routes(control.routes())
    app.router.add_route("*", "/v1.0/{resource:.*}", gate.graph)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", gate.token)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", gate.discovery)
    return app


async def start(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    users: int = 0,
    groups: int = 0,
    seed: int = 1,
    memberships: int | None = None,
    assignments: int = 0,
    latency_ms: float = 0.0,
    tls_ca_file: Path | None = None,
) -> GraphSimulator:
    """Start a simulator on the running loop, with a tenant as :class:`SeedPlan` says.

    With ``port`` 0 a free port is taken. Raises ``OSError`` if it cannot listen.

    With ``tls_ca_file`` it speaks TLS, with a certificate for ``host`` and this machine that the authority in that file
    signed; the file is written.
    """
    context = None if tls_ca_file is None else server_context(tls_ca_file, host)
    sim = Simulation(SeedPlan(users=users, groups=groups, seed=seed, memberships=memberships, assignments=assignments))
    sim.knobs.latency_ms = latency_ms
    runner = web.AppRunner(application(sim), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    address = runner.addresses[0]
    name = f"[{address[0]}]" if ":" in address[0] else address[0]
    return GraphSimulator(f"{'http' if context is None else 'https'}://{name}:{address[1]}", sim, runner)
