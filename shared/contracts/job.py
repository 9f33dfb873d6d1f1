"""The definition of a synchronization job, as ``POST /api/v1/jobs`` takes it and as ``control.jobs.v1`` carries it."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator
from pydantic.alias_generators import to_camel

from shared.contracts.duration import Duration

SMALLEST_INTERVAL = timedelta(seconds=1)
LARGEST_INTERVAL = timedelta(days=1)


class Definition(BaseModel):
    """A part of a job definition: an unknown key is an error, because it is most likely a misspelt one."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
    )


Opaque = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")]
Url = Annotated[str, Field(min_length=1, max_length=500)]


class Credential(StrEnum):
    """How the watcher proves to Microsoft Entra who it is ("OAuth 2.0 client credentials flow": secret, certificate, federated)."""

    CLIENT_SECRET = "clientSecret"  # noqa: S105 - the name of a field, not a secret
    CLIENT_CERTIFICATE = "clientCertificate"
    WORKLOAD_IDENTITY = "workloadIdentity"


class MicrosoftGraphSource(Definition):
    """Where assignments are read: one enterprise application (service principal) of one tenant."""

    kind: Literal["microsoft-graph"] = "microsoft-graph"
    tenant_id: Opaque
    client_id: Opaque
    service_principal_id: Opaque
    graph_root: Url = "https://graph.microsoft.com"
    login_root: Url = "https://login.microsoftonline.com"
    credential: Credential = Credential.CLIENT_SECRET


class SnapshotSource(Definition):
    """Where assignments are read without Microsoft Graph: a CSV or JSON Lines file, or a folder of them, that says who is assigned.

    ``path`` is relative to the folder that the watcher may read.
    """

    kind: Literal["snapshot"]
    path: Annotated[str, Field(min_length=1, max_length=500)]

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value.startswith(("/", "\\", "~")) or ".." in value.replace("\\", "/").split("/") or "\0" in value:
            raise ValueError("must be relative to the snapshot folder of the watcher and stay inside it")
        return value


def _kind(value: Any) -> str:
    """Without a kind it is Microsoft Graph: the first source, and the one of the tutorial."""
    kind = value.get("kind", "microsoft-graph") if isinstance(value, dict) else getattr(value, "kind", None)
    return str(kind)


def field_path(location: "tuple[int | str, ...]") -> str:
    """Return the path of a field as the writer of a definition knows it: the ``loc`` of a pydantic error without the kind of source."""
    steps = [str(step) for step in location]
    if steps[:1] == ["source"] and steps[1:2] in (["microsoft-graph"], ["snapshot"]):
        del steps[1]
    return ".".join(steps)


Source = Annotated[
    Annotated[MicrosoftGraphSource, Tag("microsoft-graph")] | Annotated[SnapshotSource, Tag("snapshot")],
    Discriminator(
        _kind,
        custom_error_type="unknown_source",
        custom_error_message="kind must be microsoft-graph or snapshot",
    ),
]


class Target(Definition):
    """Where accounts are written: the Tenant URL, and how fast it may be called (requests each second)."""

    tenant_url: Url
    requests_per_second: float = Field(default=25, gt=0, le=100_000)

    @field_validator("tenant_url")
    @classmethod
    def _without_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")


class WhenExhausted(StrEnum):
    """What happens to a user for whom no license is left."""

    WAIT = "wait"
    PROVISION_WITHOUT_LICENSE = "provision_without_license"


class Licenses(Definition):
    """The pool of licenses of one application instance and license type; with auto-assign off nothing is counted."""

    auto_assign: bool = True
    application_instance: str = Field(default="", max_length=200)
    license_type: str = Field(default="", max_length=200)
    capacity: int = Field(default=0, ge=0, le=10_000_000)
    when_exhausted: WhenExhausted = WhenExhausted.WAIT


class Notifications(Definition):
    """The Notification Email, and the checkbox "Send an email notification when a failure occurs"."""

    email: str | None = Field(default=None, max_length=254, pattern=r"^[^@\s<>\"',;:]+@[^@\s<>\"',;:]+$")
    on_failure: bool = False


class DeletionThreshold(Definition):
    """How many removals of one cycle go out without being asked for: the greater of a number and of per cent of the managed objects.

    What is exactly at the threshold goes out; 0 and 0 holds every removal, 100 per cent none.
    """

    count: int = Field(default=50, ge=0)
    percent: int = Field(default=10, ge=0, le=100)


class DriftMode(StrEnum):
    """What becomes of an account at the target that differs from what was confirmed of it."""

    OFF = "off"
    REPORT = "report"
    CORRECT = "correct"


SMALLEST_DRIFT_INTERVAL = timedelta(minutes=1)
LARGEST_DRIFT_INTERVAL = timedelta(days=90)


class DriftCheck(Definition):
    """Whether and how often the confirmed state is compared with the target; ``off`` compares only when an operator asks, and reports."""

    mode: DriftMode = DriftMode.OFF
    interval: Duration = timedelta(days=1)

    @field_validator("interval")
    @classmethod
    def _possible(cls, value: timedelta) -> timedelta:
        if not SMALLEST_DRIFT_INTERVAL <= value <= LARGEST_DRIFT_INTERVAL:
            raise ValueError("must lie between PT1M and P90D, for example P1D")
        return value


class JobSettings(Definition):
    """How the job runs. Durations are ISO 8601, the smallest interval is one second."""

    interval: Duration = timedelta(minutes=1)
    removal_confirmation: Duration = timedelta(minutes=1)
    scope: Literal["assigned"] = "assigned"
    required_roles: tuple[str, ...] = ("User",)
    deletion_threshold: DeletionThreshold = DeletionThreshold()
    skip_out_of_scope_deletions: bool = False
    nested_groups: bool = False
    drift_check: DriftCheck = DriftCheck()

    @field_validator("interval")
    @classmethod
    def _possible(cls, value: timedelta) -> timedelta:
        if not SMALLEST_INTERVAL <= value <= LARGEST_INTERVAL:
            raise ValueError("must lie between PT1S and P1D, for example PT1M")
        return value

    @field_validator("removal_confirmation")
    @classmethod
    def _believable(cls, value: timedelta) -> timedelta:
        if not SMALLEST_INTERVAL <= value <= LARGEST_INTERVAL:
            raise ValueError("must lie between PT1S and P1D, for example PT1M: a removal is never believed at once")
        return value


class JobDefinition(Definition):
    """One synchronization job: one enterprise application of one source to one target."""

    display_name: str = Field(min_length=1, max_length=200)
    template: str = Field(min_length=1, max_length=100)
    source: Source
    target: Target
    licenses: Licenses = Licenses()
    notifications: Notifications = Notifications()
    settings: JobSettings = JobSettings()

    @field_validator("template")
    @classmethod
    def _known_template(cls, value: str) -> str:
        from shared.contracts.templates import TEMPLATES  # noqa: PLC0415 - templates need no job, but read better from here

        if value not in TEMPLATES:
            raise ValueError(f"is not a known template; known: {', '.join(sorted(TEMPLATES))}")
        return value
