"""A service, and how it runs: wait for what it needs, consume, publish, do its timers, and stop without losing anything."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import uvloop
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared.contracts.control import JobRecord
from shared.contracts.topics import JOBS
from shared.runtime import crashpoints
from shared.runtime.consume import Subscription
from shared.runtime.database import TRANSIENT_ERRORS, Database
from shared.runtime.errors import StartRefusedError
from shared.runtime.frame import Frame
from shared.runtime.health import Health
from shared.runtime.jobs import QUERIES, store_jobs
from shared.runtime.kafka import check_topics
from shared.runtime.log import configure_logging, logger
from shared.runtime.migrations import check_migrated
from shared.runtime.probes import probes
from shared.runtime.relay import Relay
from shared.runtime.settings import Settings
from shared.runtime.subscriber import build_broker
from shared.runtime.telemetry import configure_tracing

_log = logger(__name__)

EXIT_CONFIG = 78
FORGET_EVERY_SECONDS = 300.0
LONGEST_RESTART_WAIT_SECONDS = 10.0
RECOVERED_AFTER_SECONDS = 3.0
"""A loop that fell and was started again counts as recovered once it has run for so long: what it needs refuses sooner, or is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A loop that runs beside the consumers until ``frame.stopping`` is set.

    When it raises it is started again after a growing wait; it must bring everything it needs from the database.
    """

    name: str
    run: Callable[[Frame], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What makes one service: which messages it handles and which loops it runs. Everything else is the frame's."""

    name: str
    settings: Settings
    subscriptions: Sequence[Subscription] = ()
    background: Sequence[Background] = ()
    answers_probes_itself: bool = False
    """True when one of its loops serves /livez, /readyz and /metrics beside its own pages."""


def run(service: Service) -> int:
    """Run ``service`` until SIGTERM or SIGINT and return the exit status: 0, or 78 when it cannot start as configured."""
    configure_logging(service.name, service.settings.log_level)
    try:
        crashpoints.arm(service.settings.crash_point)
        uvloop.run(serve(service))
    except (StartRefusedError, ValueError) as refusal:
        sys.stderr.write(f"seatkeeper {service.name}: {refusal}\n")
        return EXIT_CONFIG
    return 0


async def serve(service: Service, stop: asyncio.Event | None = None) -> None:
    """Run ``service`` in the running event loop until a signal arrives or ``stop`` is set.

    Raises ``StartRefusedError`` when the database is not migrated, a topic is missing, or a port is taken.
    """
    health = Health()
    frame = Frame(
        name=service.name,
        settings=service.settings,
        health=health,
        database=Database(service.name, service.settings, health),
        stopping=stop or asyncio.Event(),
    )
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, frame.stopping.set)
    configure_tracing(service.name)
    async with AsyncExitStack() as stack:
        if not service.answers_probes_itself:
            await stack.enter_async_context(_probes(service, frame))
        running = asyncio.create_task(_run_started(service, frame))
        stopping = asyncio.create_task(frame.stopping.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() and not frame.working:
            running.cancel()  # it still waits for a dependency, so there is nothing to bring to an end
        stopping.cancel()
        try:
            await running
        except asyncio.CancelledError:
            _log.info("stopped while waiting", action="stop")


async def _run_started(service: Service, frame: Frame) -> None:
    try:
        async with AsyncExitStack() as stack:
            if service.answers_probes_itself:
                # Not before it works, and what it waits for has to be asked for until then.
                await stack.enter_async_context(_probes(service, frame))
            await frame.database.open()
            async with frame.connection() as connection:
                await check_migrated(connection, service.name)
            await check_topics(service.name, service.settings, frame.health)
        await _work(service, frame)
    finally:
        await frame.database.close()


def _probes(service: Service, frame: Frame) -> AbstractAsyncContextManager[None]:
    return probes(frame.health, service.settings.http_host, service.settings.http_port)


async def _work(service: Service, frame: Frame) -> None:
    subscriptions = list(service.subscriptions)
    if service.name in JOBS.consumers:
        subscriptions.insert(0, Subscription(message=JobRecord, handler=store_jobs))
    frame.working = True
    broker = build_broker(frame, subscriptions)
    relay = Relay(frame)
    loops = [
        asyncio.create_task(_keep_running(frame, item), name=item.name)
        for item in (*service.background, Background(name="forget", run=_forget))
    ]
    publishing = asyncio.create_task(relay.run(), name="relay")
    try:
        await _start(broker, frame)
        gc.collect()
        gc.freeze()
        # A batch holds hundreds of live models; scanning them again and again costs as much as parsing.
        gc.set_threshold(50_000, 20, 50)
        frame.health.started = True
        _log.info("started", action="start")
        await frame.stopping.wait()
        _log.info("stopping", action="stop")
    finally:
        frame.stopping.set()
        await broker.stop()  # waits for the batch in flight
        await _finish(loops, frame.settings.graceful_stop_seconds)
        await _finish([publishing], frame.settings.graceful_stop_seconds)
        await relay.close()
        _log.info("stopped", action="stop")


async def _start(broker: KafkaBroker, frame: Frame) -> None:
    while not frame.stopping.is_set():
        try:
            await broker.start()
        except KafkaError as error:
            frame.health.wait_for("kafka", f"Kafka does not let the service join ({type(error).__name__})")
            await broker.stop()
            await frame.pause(0.5)
        else:
            frame.health.arrived("kafka")
            return


async def _finish(tasks: Sequence["asyncio.Task[None]"], seconds: float) -> None:
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(frame: Frame, item: Background) -> None:
    wait = 0.5
    while not frame.stopping.is_set():
        began = asyncio.get_running_loop().time()
        recovering = asyncio.get_running_loop().call_later(RECOVERED_AFTER_SECONDS, frame.health.arrived, item.name)
        try:
            await item.run(frame)
        except StartRefusedError as refusal:
            frame.health.wait_for(item.name, str(refusal))
        except TRANSIENT_ERRORS as error:
            frame.health.wait_for(item.name, f"PostgreSQL does not answer ({type(error).__name__})")
        except Exception as error:  # noqa: BLE001 - a loop that fell is started again; the reason is in the log and in /readyz
            _log.error("loop failed", action="loop_failed", loop=item.name, exc_info=error)
            frame.health.wait_for(item.name, f"{item.name} failed with {type(error).__name__} and is started again")
        else:
            frame.health.arrived(item.name)
            wait = 0.5
        finally:
            recovering.cancel()
        if asyncio.get_running_loop().time() - began > 60:
            wait = 0.5
        await frame.pause(wait)
        wait = min(wait * 2, LONGEST_RESTART_WAIT_SECONDS)


async def _forget(frame: Frame) -> None:
    """Prune the inbox: an event older than every topic's retention cannot come again."""
    while not await frame.pause(FORGET_EVERY_SECONDS):
        async with frame.connection() as connection:
            await connection.execute(QUERIES.forget_events, timedelta(days=frame.settings.inbox_retention_days))
