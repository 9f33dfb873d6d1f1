"""Everything one simulator holds, and its replacement by a new seed."""

import pickle
from typing import Any

from simulators.graph.credentials import Credentials
from simulators.graph.directory import Directory
from simulators.graph.faults import Faults
from simulators.graph.identity import AccessTokens
from simulators.graph.journal import Journal
from simulators.graph.knobs import Clock, Knobs
from simulators.graph.mutations import transact
from simulators.graph.notifying import Notifier
from simulators.graph.odata import GraphError
from simulators.graph.refusal import RefusedError
from simulators.graph.replica import Replica
from simulators.graph.rounds import Plans
from simulators.graph.seed import SeedPlan, populate
from simulators.graph.statetokens import StateTokens
from simulators.graph.subscriptions import Subscription
from simulators.graph.throttle import Bucket


class Simulation:
    """The tenant with its tokens, faults, knobs and journal. Used from one event loop only."""

    directory: Directory
    tokens: StateTokens
    plans: Plans
    credentials: Credentials
    replica: Replica

    def __init__(self, plan: SeedPlan | None = None) -> None:
        plan = plan or SeedPlan()
        self._snapshots: dict[str, bytes] = {}
        self.knobs = Knobs()
        self.clock = Clock()
        self.faults = Faults()
        self.journal = Journal()
        self.access = AccessTokens()
        self.bucket = Bucket()
        self.subscriptions: dict[str, Subscription] = {}
        self.notifier = Notifier(self)
        self.seed = plan.seed
        self.reseed(plan)

    def reseed(self, plan: SeedPlan) -> None:
        """Replace the tenant; delta and page tokens of the old one are dead (410). Faults, knobs and journal stay."""
        self._settle(populate(plan, self.knobs), plan.seed)
        self.tokens = StateTokens()
        self.replica = Replica(self)
        self.faults.random.seed(f"faults {plan.seed}")
        self.subscriptions.clear()
        self.notifier.forget()

    def _settle(self, directory: Directory, seed: int) -> None:
        self.seed, self.directory = seed, directory
        directory.knobs, directory.clock, directory.on_commit = self.knobs, self.clock, self.notifier.changed
        self.plans = Plans()
        self.credentials = Credentials({directory.tenant.client_secret: float("inf")})

    def snapshot(self, name: str) -> None:
        """Keep the tenant as it is now under a name."""
        self.directory.on_commit = None
        try:
            kept = pickle.dumps((self.seed, self.directory, self.tokens), protocol=5)
        finally:
            self.directory.on_commit = self.notifier.changed
        self._snapshots[name] = kept

    def restore(self, name: str) -> None:
        """Return to a snapshot. Links that were given out after it are dead (410). Raises ``KeyError``."""
        seed, directory, tokens = pickle.loads(self._snapshots[name])  # noqa: S301 - made by this very process
        credentials, same = self.credentials, directory.tenant == self.directory.tenant
        self._settle(directory, seed)
        if same:
            self.credentials = credentials
        issued = tokens.issued
        if tokens.generation != self.tokens.generation:
            self.tokens = tokens
        self.tokens.go_back(issued)
        self.replica.reset()

    def change(self, mutation: dict[str, Any]) -> None:
        """Apply one mutation that came over ``/v1.0``; raises 409 Request_Conflict when the tenant does not allow it."""
        try:
            transact(self, [mutation])
        except RefusedError as refused:
            raise GraphError(409, "Request_Conflict", refused.message) from None

    def advance(self, seconds: float) -> None:
        """Let time pass; what was soft-deleted long enough ago is then gone for good."""
        self.clock.offset += seconds
        limit = self.clock.now() - self.knobs.soft_deleted_days * 86_400
        self.directory.purge(before=limit)
        self.notifier.wake()
