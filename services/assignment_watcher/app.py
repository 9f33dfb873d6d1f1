"""Composition root of assignment-watcher."""

from datetime import timedelta

from services.assignment_watcher.demands import serving as demands_loop
from services.assignment_watcher.demands.serving import Demands
from services.assignment_watcher.demands.taking import DemandsTaken
from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.handlers import HoldsDecided, JobsChanged
from services.assignment_watcher.notifications import leftovers
from services.assignment_watcher.notifications.lifecycle import Notifications
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.settings import WatcherSettings
from services.assignment_watcher.sources.opening import Gates, JobSources
from services.assignment_watcher.watching import LOOP, Watching
from shared.contracts.control import JobRecord, OperatorRequest
from shared.contracts.topics import WATCHER
from shared.runtime.consume import Subscription
from shared.runtime.http import HttpClient, Limits
from shared.runtime.service import Background, Service

LARGEST_ANSWER_BYTES = 20_000_000


def build(settings: WatcherSettings) -> Service:
    """Return the service. Raises ``StartRefusedError`` when there is no secret key to read job secrets with."""
    settings.secret_key_bytes()
    gates: Gates = {}

    def open_sources() -> JobSources:
        limits = Limits(
            total_seconds=settings.assignment_watcher_request_timeout_seconds, answer_bytes=LARGEST_ANSWER_BYTES
        )
        http = HttpClient("microsoft-graph", allow_insecure_loopback=settings.allow_insecure_loopback, limits=limits)
        patience = Patience(
            tries=settings.assignment_watcher_request_tries,
            seconds=settings.assignment_watcher_request_patience_seconds,
            first_wait_seconds=settings.assignment_watcher_first_retry_seconds,
        )
        return JobSources(
            http,
            patience,
            gates=gates,
            snapshot_folder=settings.assignment_watcher_snapshot_folder,
            snapshot_bytes=settings.assignment_watcher_snapshot_bytes,
        )

    policy = Policy(
        chunk=settings.assignment_watcher_emit_records,
        slice_seconds=settings.assignment_watcher_full_read_slice_seconds,
        damper=timedelta(seconds=settings.assignment_watcher_resync_damper_seconds),
        guard_count=settings.assignment_watcher_guard_count,
        guard_percent=settings.assignment_watcher_guard_percent,
    )
    notifications = Notifications(settings, open_sources)
    demands = Demands(open_sources)
    watching = Watching(open_sources, policy, notifications)
    return Service(
        name=WATCHER,
        settings=settings,
        subscriptions=[
            Subscription(message=JobRecord, handler=JobsChanged(watching.wake)),
            Subscription(message=OperatorRequest, handler=HoldsDecided(watching.look_again)),
            Subscription(message=OperatorRequest, handler=DemandsTaken(demands.wake)),
        ],
        background=[
            Background(name=LOOP, run=watching.run),
            Background(name=demands_loop.LOOP, run=demands.run),
            Background(name=leftovers.LOOP, run=notifications.run),
        ],
    )
