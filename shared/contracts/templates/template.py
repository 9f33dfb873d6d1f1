"""What a template says of a kind of target: default mapping, matching, capabilities and quirks."""

from dataclasses import dataclass

from shared.contracts.synchronization_schema import SynchronizationSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the target can do. A target without ``delete`` gets a disable instead; one without ``groups`` gets no group at all.

    ``filter_attributes`` and ``group_filter_attributes`` are what users and groups can be searched by. A target with
    ``custom_attributes`` has those that a schema's own directory lists, beside those of the template; what it can be searched by is then
    not known either.
    """

    delete: bool
    list_users: bool
    filter_attributes: tuple[str, ...]
    patch: bool = True
    groups: bool = False
    group_filter_attributes: tuple[str, ...] = ("displayName",)
    group_delete: bool = False
    custom_attributes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The factory default of a job for one kind of target.

    ``schema`` is the default mapping of users and groups, and the directory of what the target has.
    """

    name: str
    display_name: str
    tenant_url: str
    schema: SynchronizationSchema
    capabilities: Capabilities
    exclude_default_access: bool
    secret_token_lifetime_days: int
