"""What a test may turn: the documented uncertainties of Microsoft Graph, each with the behaviour taken by default."""

import time
from dataclasses import dataclass, field, fields
from typing import Any

PERMISSIONS = ("Application.Read.All", "User.Read.All", "GroupMember.Read.All")
CHOICES: dict[str, tuple[str, ...]] = {
    "hardDeletedMembers": ("prompt", "late", "never"),
    "flappedLinks": ("omit", "removed"),
    "softDeletedGroupLinks": ("before", "lost"),
    "deltaExpiry": ("410", "syncStateNotFound", "30days"),
    "listPaging": ("moving", "stable"),
    "throttling": ("off", "S", "M", "L"),
    "unsupportedDeltaOptions": ("reject", "ignore"),
    "groupSubscriptionNeeds": ("GroupMember.Read.All", "Group.Read.All"),
    "overlargeTop": ("reject", "clamp"),
}


@dataclass(slots=True, kw_only=True)
class Knobs:
    """The settings behind ``/_sim/knobs``, where each has its name in camel case.

    ``page_size``/``member_slice``/``page_members``: objects per delta page, members per repetition of a group, members
    per groups/delta page. ``empty_pages``: an empty page with a nextLink before each delta page.
    ``hard_deleted_members``: when groups/delta reports the links of a hard-deleted user. ``flapped_links``: a link
    added and removed inside one window. ``soft_deleted_group_links``: membership changes of a group that is now
    soft-deleted are sent before its ``@removed`` record, or lost. ``list_paging``: whether an unrelated removal may
    move a row across the page boundary of appRoleAssignedTo (paging there is no snapshot).
    ``throttling``: the resource unit bucket of a small, medium or large tenant. ``soft_deleted_days``: after so long a
    deleted object is gone for good, when the clock is advanced. ``overlarge_top``: what ``$top`` above 999 does.
    ``upper_case_ids``: every id that is answered is in upper case. ``group_subscription_needs``: the permission for
    subscriptions to groups, of which the documentation has named both. ``notification_delay_ms`` is the time in which
    changes of one object become one notification; ``notification_retry_seconds`` doubles with each try.
    Times are in seconds unless named.
    """

    latency_ms: float = 0.0
    access_token_lifetime: float = 3599.0
    permissions: list[str] = field(default_factory=lambda: list(PERMISSIONS))
    consent_revoked: bool = False
    hide_soft_deleted_assignments: bool = True
    list_paging: str = "moving"
    page_size: int = 200
    member_slice: int = 500
    page_members: int = 2000
    empty_pages: bool = False
    hard_deleted_members: str = "prompt"
    restore_resends_members: bool = False
    soft_deleted_days: float = 30.0
    flapped_links: str = "omit"
    soft_deleted_group_links: str = "before"
    unsupported_delta_options: str = "reject"
    delta_token_days: float = 7.0
    delta_expiry: str = "410"
    throttling: str = "off"
    overlarge_top: str = "reject"
    upper_case_ids: bool = False
    subscription_quota: int = 100
    group_subscription_needs: str = "GroupMember.Read.All"
    handshake_seconds: float = 10.0
    notification_delay_ms: float = 20.0
    notification_retry_seconds: float = 1.0

    def turn(self, values: dict[str, Any]) -> None:
        """Set some knobs by their JSON names; raises ``ValueError`` naming the first bad one, setting none."""
        known = {camel(f.name): f.name for f in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"{name}: no such knob; there are {', '.join(known)}")
            _check(name, value, getattr(self, known[name]))
        for name, value in values.items():
            current = getattr(self, known[name])
            setattr(self, known[name], float(value) if isinstance(current, float) else value)

    def as_json(self) -> dict[str, Any]:
        """All knobs with their present values."""
        return {camel(f.name): getattr(self, f.name) for f in fields(self)}


def camel(name: str) -> str:
    """The JSON name of a field."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _check(name: str, value: Any, current: Any) -> None:
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"{name}: must be one of {', '.join(CHOICES[name])}")
    if isinstance(current, bool) or not isinstance(current, int | float):
        if not isinstance(value, type(current)):
            raise ValueError(f"{name}: must be a {type(current).__name__}")
        return
    whole = isinstance(current, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or value < int(whole):
        raise ValueError(f"{name}: must be a number of at least {int(whole)}")


class Clock:
    """Wall time plus what was added to it; or a time that stands still until it is advanced. In epoch seconds."""

    __slots__ = ("frozen_at", "offset")

    def __init__(self) -> None:
        self.offset = 0.0
        self.frozen_at: float | None = None

    def now(self) -> float:
        """Epoch seconds of the simulated tenant."""
        return (time.time() if self.frozen_at is None else self.frozen_at) + self.offset

    def freeze(self, frozen: bool) -> None:
        """Let the time stand still, or go on from where it stands."""
        if frozen and self.frozen_at is None:
            self.frozen_at = time.time()
        elif not frozen and self.frozen_at is not None:
            self.offset += self.frozen_at - time.time()
            self.frozen_at = None

    def reset(self) -> None:
        """Return to wall time."""
        self.offset, self.frozen_at = 0.0, None
