"""The one registry of topics: name, key, partitions, retention, cleanup, who writes, who reads, which message types."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from shared.contracts.assignments import CycleMark, DirectoryAssignment
from shared.contracts.changes import Change, Command
from shared.contracts.control import JobRecord, OperatorRequest
from shared.contracts.links import LinkFact
from shared.contracts.message import Message
from shared.contracts.on_demand import DemandFact
from shared.contracts.outcomes import CycleFact, JobCondition, LicenseFact, ProvisioningOutcome
from shared.contracts.public import ProvisionedUser, ProvisioningEvent
from shared.contracts.source import HoldFact, SourceState

WATCHER: Final = "assignment-watcher"
DIFF: Final = "diff"
ALLOCATOR: Final = "license-allocator"
WRITER: Final = "scim-writer"
NOTIFIER: Final = "notifier"
CONSOLE: Final = "console"
SERVICES: Final = (WATCHER, DIFF, ALLOCATOR, WRITER, NOTIFIER, CONSOLE)


class Cleanup(StrEnum):
    """How Kafka cleans a topic (Kafka documentation, ``cleanup.policy``)."""

    COMPACT = "compact"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. The key of every record is ``job_id/object_id``; records of one key stay in order."""

    name: str
    purpose: str
    partitions: int
    cleanup: Cleanup
    retention: timedelta | None
    messages: tuple[type[Message], ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    public: bool = False

    def dead_letters(self, service: str) -> str:
        """Return the name of the dead-letter topic of ``service`` for this topic."""
        return dead_letter_topic(self.name, service)


def dead_letter_topic(topic: str, service: str) -> str:
    """Return the name of the dead-letter topic of ``service`` for ``topic``."""
    return f"{topic}.{service}.dlq"


DEAD_LETTER_RETENTION: Final = timedelta(days=30)
DATA_PARTITIONS: Final = 6

ASSIGNMENTS: Final = Topic(
    name="directory.assignments.v1",
    purpose="The whole current state of each assigned object in each job, and the marks that close a cycle.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.COMPACT,
    retention=None,
    messages=(DirectoryAssignment, CycleMark),
    producers=(WATCHER,),
    consumers=(DIFF, CONSOLE),
)
CHANGES: Final = Topic(
    name="provisioning.changes.v1",
    purpose="What is wanted: one operation on one object, with its reason.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.DELETE,
    retention=timedelta(days=7),
    messages=(Change,),
    producers=(DIFF,),
    consumers=(ALLOCATOR, CONSOLE),
)
COMMANDS: Final = Topic(
    name="provisioning.commands.v1",
    purpose="What is allowed: the change with its license decision.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.DELETE,
    retention=timedelta(days=7),
    messages=(Command,),
    producers=(ALLOCATOR,),
    consumers=(WRITER, CONSOLE),
)
OUTCOMES: Final = Topic(
    name="provisioning.outcomes.v1",
    purpose="What was done: outcomes of changes, and facts about licenses, cycles and jobs.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.DELETE,
    retention=timedelta(days=30),
    messages=(ProvisioningOutcome, LicenseFact, CycleFact, JobCondition, HoldFact, SourceState, LinkFact, DemandFact),
    producers=(WRITER, ALLOCATOR, DIFF, WATCHER),
    consumers=(DIFF, ALLOCATOR, NOTIFIER, CONSOLE),
)
EVENTS: Final = Topic(
    name="provisioning.events.v1",
    purpose="The same facts for other teams, without personal data, without gaps for each object.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.DELETE,
    retention=timedelta(days=30),
    messages=(ProvisioningEvent,),
    producers=(DIFF,),
    consumers=(),
    public=True,
)
USERS: Final = Topic(
    name="provisioning.users.v1",
    purpose="The latest state of each user at the target; null once the user is erased.",
    partitions=DATA_PARTITIONS,
    cleanup=Cleanup.COMPACT,
    retention=None,
    messages=(ProvisionedUser,),
    producers=(DIFF,),
    consumers=(),
    public=True,
)
JOBS: Final = Topic(
    name="control.jobs.v1",
    purpose="Job definitions, with secrets as ciphertext only.",
    partitions=1,
    cleanup=Cleanup.COMPACT,
    retention=None,
    messages=(JobRecord,),
    producers=(CONSOLE,),
    consumers=(WATCHER, DIFF, ALLOCATOR, WRITER, NOTIFIER),
)
REQUESTS: Final = Topic(
    name="control.requests.v1",
    purpose="What operators asked for.",
    partitions=1,
    cleanup=Cleanup.DELETE,
    retention=timedelta(days=7),
    messages=(OperatorRequest,),
    producers=(CONSOLE,),
    # Deeds alone: what must survive a late reader (schedule, restarts, resets) is state in control.jobs.v1.
    consumers=(WATCHER, DIFF),
)

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic for topic in (ASSIGNMENTS, CHANGES, COMMANDS, OUTCOMES, EVENTS, USERS, JOBS, REQUESTS)
}
MESSAGES: Final[dict[str, type[Message]]] = {
    message.type: message for topic in TOPICS.values() for message in topic.messages
}


def consumed_by(service: str) -> tuple[Topic, ...]:
    """Return the topics that ``service`` reads."""
    return tuple(topic for topic in TOPICS.values() if service in topic.consumers)
