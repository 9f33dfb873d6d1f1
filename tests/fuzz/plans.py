"""What one run does: a small tenant, and steps that change it, disturb it, or let a watcher run; drawn by Hypothesis."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Mutation = tuple[str, int, int, str]
"""An operation on the directory: its name, two numbers that pick whom it concerns, and a choice."""


@dataclass(frozen=True)
class Change:
    """Mutations, each in a transaction of its own, or all in one. One that the tenant refuses is left out."""

    mutations: list[Mutation]
    together: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault of the simulator, as its control plane takes it."""

    match: str
    kind: str
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lag:
    """Replicas that are behind, as ``/_sim/replica`` takes it; nothing: they have caught up."""

    asked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expire:
    """Tokens that die: access, delta or page tokens, or all of them because the tenant moved."""

    kind: str
    shape: str | None = None


@dataclass(frozen=True)
class Turn:
    """Knobs of the simulator."""

    knobs: dict[str, Any]


@dataclass(frozen=True)
class Pass:
    """Time passes on both clocks."""

    seconds: float


@dataclass(frozen=True)
class Decide:
    """An operator approves or rejects every hold that waits."""

    approve: bool


@dataclass(frozen=True)
class Configure:
    """An operator changes settings of the job; ``restart`` asks for a new initial cycle as well.

    ``more``: whether the mapping reads the manager of users and the description of groups from now on.
    """

    settings: dict[str, Any]
    restart: bool = False
    more: bool = True


@dataclass(frozen=True)
class Restart:
    """The process of the watcher is started anew: what it kept in memory is gone."""


@dataclass(frozen=True)
class Crash:
    """The process dies at a statement of a cycle: before it is sent, or after it was executed. Another one takes over."""

    statement: int
    after: bool


@dataclass(frozen=True)
class Meanwhile:
    """The directory changes when so many requests of a cycle were made."""

    request: int
    mutations: list[Mutation]


@dataclass(frozen=True)
class Asleep:
    """The process sleeps at a statement of a cycle until its lease has run out and another watcher has run a cycle."""

    statement: int
    mutations: list[Mutation]


@dataclass(frozen=True)
class Cycle:
    """Cycles of the watcher, ``seconds`` after the last one, with something in the middle of the first; ``rival``: two at once."""

    seconds: float = 61
    middle: Crash | Meanwhile | Asleep | None = None
    rival: bool = False


Step = Change | Fault | Lag | Expire | Turn | Pass | Decide | Configure | Restart | Cycle


@dataclass(frozen=True)
class Plan:
    """One run."""

    users: int
    groups: int
    seed: int
    settings: dict[str, Any]
    policy: dict[str, Any]
    knobs: dict[str, Any]
    steps: list[Step]


PEOPLE = (
    *(
        "assignUser",
        "unassignUser",
        "addMember",
        "removeMember",
        "city",
        "enabled",
        "softDelete",
        "restore",
        "hardDelete",
    ),
    *("createUser", "swapToDirect", "swapToGroup", "manage", "unassignDeleted"),
)
GROUPS = (
    *("assignGroup", "unassignGroup", "createGroup", "secure", "deleteGroup", "purgeGroup", "restoreGroup"),
    *("nest", "unnest", "device", "robot", "renameGroup"),
)
APPLICATION = ("disable", "enable", "delete", "undelete", "declare", "rename", "undeclare")
ROLES = ("User", "User", "Default Access", "Manager")

mutations = st.tuples(
    st.sampled_from([*PEOPLE, *PEOPLE, *GROUPS]), st.integers(0, 11), st.integers(0, 3), st.sampled_from(ROLES)
)
on_application = st.tuples(st.sampled_from(APPLICATION), st.just(0), st.just(0), st.sampled_from(ROLES))

changes = st.builds(
    Change, st.lists(mutations, min_size=3, max_size=8), st.integers(0, 3).map(lambda number: number == 3)
)
application_changes = st.builds(Change, st.lists(on_application, min_size=1, max_size=1))

LISTING = r"/appRoleAssignedTo$"
POINT = r"/appRoleAssignedTo/"
USERS = r"/users/delta"
GROUP_DELTA = r"/groups/delta"
MEMBERS = r"/members$"
OBJECTS = r"/(users|groups)/[0-9a-f]{8}-"
ANYTHING = r"/v1\.0/"
PAGES = [LISTING, USERS, GROUP_DELTA, MEMBERS, ANYTHING]

_few = st.fixed_dictionaries({"nth": st.integers(1, 3), "times": st.integers(1, 4)})
_waits = st.sampled_from(
    [None, "0.02", "0.004", "0", "-1", "soon", "0.03", "0.01", None, "0.05", "0.02", "99999", "date"]
)


def _with(**more: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(_few, st.fixed_dictionaries(more)).map(lambda both: both[0] | both[1])


transport_faults = st.one_of(
    st.builds(Fault, st.sampled_from(PAGES), st.just("throttle"), _with(retryAfter=_waits)),
    st.builds(
        Fault,
        st.sampled_from([*PAGES, POINT, OBJECTS, r"/token$"]),
        st.just("status"),
        _with(status=st.sampled_from([500, 502, 503, 504]), retryAfter=st.sampled_from([None, "0.01"])),
    ),
    st.builds(
        Fault,
        st.sampled_from([*PAGES, POINT, OBJECTS, r"/token$"]),
        st.just("status"),
        _with(status=st.sampled_from([401, 403, 408])),
    ),
    st.builds(
        Fault,
        st.sampled_from([*PAGES, POINT, OBJECTS]),
        st.sampled_from(["reset", "resetBody", "html502"]),
        _few,
    ),
    st.builds(Fault, st.sampled_from(PAGES), st.just("truncate"), _with(whole=st.booleans())),
    st.builds(Fault, st.sampled_from(PAGES), st.just("slow"), _with(seconds=st.just(0.005))),
    st.builds(
        Fault,
        st.sampled_from(PAGES),
        st.just("status"),
        st.fixed_dictionaries(
            {
                "status": st.just(400),
                "code": st.sampled_from(["DirectoryPageTokenNotFoundException", "Directory_ExpiredPageToken"]),
                "onRepeat": st.just(True),
                "times": st.integers(1, 2),
            }
        ),
    ),
)
page_faults = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(PAGES),
        st.sampled_from(
            ["loop", "replay", "duplicate", "deadNextLink", "wrongContext", "unknownProperties", "unknownType"]
        ),
        st.tuples(_few, st.fixed_dictionaries({"count": st.integers(1, 3)})).map(lambda both: both[0] | both[1]),
    ),
    st.builds(Fault, st.sampled_from(PAGES), st.just("foreignLink"), _few),
    st.builds(Fault, st.sampled_from([LISTING, LISTING, USERS, GROUP_DELTA]), st.just("empty"), _few),
    st.builds(Fault, st.just(LISTING), st.just("dropPage"), _few),
    st.builds(Fault, st.just(MEMBERS), st.just("dropPage"), _few),
    st.builds(
        Fault,
        st.sampled_from([LISTING, LISTING, MEMBERS, OBJECTS, POINT]),
        st.just("stale"),
        st.fixed_dictionaries(
            {"nth": st.integers(1, 2), "times": st.sampled_from([1, 1, 1, 3]), "transactions": st.integers(1, 3)}
        ),
    ),
)

_lag = st.sampled_from(
    [
        {"frozen": True},
        {"frozen": True},
        {"seconds": 30},
        {"seconds": 100},
        {"transactions": 1},
        {"transactions": 3},
        {},
    ]
)
lags = st.one_of(
    st.builds(
        Lag, st.fixed_dictionaries({"lag": st.dictionaries(st.sampled_from(["users", "groups", "assignments"]), _lag)})
    ),
    st.builds(
        Lag,
        st.fixed_dictionaries(
            {
                "backward": st.dictionaries(
                    st.sampled_from(["users", "groups", "assignments"]),
                    st.fixed_dictionaries(
                        {"probability": st.sampled_from([0.3, 0.7]), "transactions": st.integers(1, 4)}
                    ),
                )
            }
        ),
    ),
    st.just(Lag()),
)
expiries = st.one_of(
    st.just(Expire("access")),
    st.builds(Expire, st.just("delta"), st.sampled_from(["410", "syncStateNotFound", "30days"])),
    st.builds(Expire, st.just("page"), st.sampled_from(["notFound", "expired"])),
    st.just(Expire("generation")),
)
KNOBS: dict[str, st.SearchStrategy[Any]] = {
    "pageSize": st.sampled_from([200, 1, 2, 5]),
    "memberSlice": st.sampled_from([500, 1, 2]),
    "pageMembers": st.sampled_from([2000, 1, 4]),
    "emptyPages": st.booleans(),
    "hardDeletedMembers": st.sampled_from(["prompt", "late", "never"]),
    "flappedLinks": st.sampled_from(["omit", "removed"]),
    "softDeletedGroupLinks": st.sampled_from(["before", "lost"]),
    "restoreResendsMembers": st.booleans(),
    "hideSoftDeletedAssignments": st.booleans(),
    "upperCaseIds": st.booleans(),
    "deltaExpiry": st.sampled_from(["410", "syncStateNotFound", "30days"]),
    "listPaging": st.sampled_from(["moving", "stable"]),
}
knobs = st.fixed_dictionaries({}, optional=KNOBS)
SOME_KNOBS = ("hideSoftDeletedAssignments", "restoreResendsMembers", "upperCaseIds", "emptyPages", "pageSize")
turns = st.builds(
    Turn,
    st.one_of(
        st.fixed_dictionaries({}, optional={name: KNOBS[name] for name in SOME_KNOBS}),
        st.sampled_from([{"consentRevoked": True}, {"consentRevoked": False}, {"permissions": ["User.Read.All"]}]),
    ),
)
passes = st.builds(Pass, st.sampled_from([5.0, 300.0, 4000.0, 90_000.0, 6 * 86_400.0, 8 * 86_400.0, 31 * 86_400.0]))
settings = st.fixed_dictionaries(
    {},
    optional={
        "nestedGroups": st.booleans(),
        "requiredRoles": st.sampled_from([["User"], [], ["User", "Default Access"], ["Manager", "User"], ["Nobody"]]),
        "removalConfirmation": st.sampled_from(["PT1M", "PT1S", "PT5M"]),
    },
)
policies = st.fixed_dictionaries(
    {"guard_count": st.sampled_from([50, 0, 1, 2]), "guard_percent": st.sampled_from([10, 0, 40])},
    optional={"chunk": st.sampled_from([1, 3])},
)
# A full read of one page in each cycle. Not where crashes are compared: a page that was read before a crash stays read.
sliced = st.tuples(policies, st.sampled_from([{}, {}, {"slice_seconds": 0.0}])).map(lambda both: both[0] | both[1])
crashes = st.builds(Crash, st.integers(1, 100), st.booleans())
meanwhiles = st.builds(Meanwhile, st.integers(1, 6), st.lists(mutations, min_size=1, max_size=3))
sleeps = st.builds(Asleep, st.integers(2, 90), st.lists(mutations, max_size=2))
_often = st.sampled_from([61.0, 61.0, 61.0, 2.0, 400.0])
cycles = st.builds(
    Cycle,
    seconds=_often,
    middle=st.one_of(st.none(), st.none(), crashes, meanwhiles, sleeps),
    rival=st.integers(0, 5).map(lambda number: number == 5),
)
_changing = [changes] * 2
_operating: list[st.SearchStrategy[Step]] = [
    passes,
    st.builds(Decide, st.booleans()),
    st.builds(Configure, settings, st.integers(0, 3).map(lambda number: number == 3), st.booleans()),
    st.just(Restart()),
]
_disturbing: list[st.SearchStrategy[Step]] = [
    application_changes,
    transport_faults,
    page_faults,
    page_faults,
    lags,
    expiries,
    turns,
]
_resolvable = settings.filter(lambda chosen: chosen.get("requiredRoles") != ["Nobody"])


def _plans(
    between: list[st.SearchStrategy[Step]],
    cycle: st.SearchStrategy[Cycle],
    policy: st.SearchStrategy[dict[str, Any]],
    most: int,
) -> st.SearchStrategy[Plan]:
    rounds = st.tuples(changes, st.lists(st.one_of(between), max_size=3), cycle)
    first = st.sampled_from([(Cycle(),), (Cycle(),), (Cycle(),), ()])
    return st.builds(
        Plan,
        users=st.sampled_from([7, 9, 4, 2, 1]),
        groups=st.sampled_from([3, 4, 2, 1]),
        seed=st.integers(1, 9),
        settings=_resolvable,
        policy=policy,
        knobs=knobs,
        steps=st.tuples(first, st.lists(rounds, min_size=2, max_size=most)).map(
            lambda drawn: [
                *drawn[0],
                *(step for changed, before, ended in drawn[1] for step in (changed, *before, ended)),
            ]
        ),
    )


plans = _plans([*_changing, *_operating, *_disturbing], cycles, sliced, 4)
"""Anything may happen."""

crash_plans = _plans(
    [*_changing, passes, expiries, st.just(Decide(approve=True)), st.builds(Configure, _resolvable)],
    st.builds(Cycle, seconds=_often, middle=st.one_of(st.none(), crashes)),
    policies,
    4,
)
"""Nothing but crashes can make two runs differ: no fault is used up by what a crash repeats, and no replica is asked twice."""
