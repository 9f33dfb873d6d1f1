"""What was true at each moment of a run: who and what was effectively assigned by what each replica could have shown."""

from dataclasses import dataclass
from typing import Any

from simulators.graph.entities import State
from simulators.graph.simulation import Simulation

STREAMS = ("assignments", "groups", "users")


@dataclass(frozen=True)
class Moment:
    """The directory at one LSN."""

    live: frozenset[str]
    counting_groups: frozenset[str]
    members: dict[str, frozenset[str]]
    assignments: tuple[tuple[str, str], ...]
    """Principal and role id."""


@dataclass(frozen=True)
class Counts:
    """What makes an assignment count for the job: ids of roles (none: all), and whether members of members do."""

    roles: frozenset[str]
    nested: bool


class Shadow:
    """The history of one run, a moment for each LSN."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._moments: dict[int, Moment] = {}
        self.record()
        # What was before is as it is now, as far as it counts.
        self._moments |= dict.fromkeys(range(self.lsn), self._moments[self.lsn])

    @property
    def lsn(self) -> int:
        return self._sim.directory.log.lsn

    def record(self, *_: Any) -> None:
        """Remember the present."""
        directory = self._sim.directory
        groups = {group.id: group for group in directory.group_order}
        self._moments[self.lsn] = Moment(
            live=frozenset(user.id for user in directory.user_order if user.state is State.LIVE),
            counting_groups=frozenset(
                group.id
                for group in groups.values()
                if group.state is State.LIVE and group.properties.get("securityEnabled")
            ),
            members={group.id: frozenset(group.members) for group in groups.values()},
            assignments=tuple((one.principal_id, one.role_id) for one in directory.application.assignments.values()),
        )

    def ever_gone(self, object_id: str, counts: Counts, *, since: dict[str, int], skewed: bool) -> bool:
        """Whether it was not effective at some moment since then; ``skewed``: by replicas that each are where they like."""
        if not skewed:
            window = range(min(since.values()), self.lsn + 1)
            return any(not self._effective(object_id, counts, lsn, lsn, lsn) for lsn in window)
        listed, grouped, lived = (range(since[name], self.lsn + 1) for name in STREAMS)
        if object_id in self._sim.directory.groups:
            return any(not self._assigned_group(object_id, counts, a, g) for a in listed for g in grouped)
        user_id = object_id
        if any(user_id not in self._moments[lsn].live for lsn in lived):
            return True
        return any(not self._reached(user_id, counts, a, g) for a in listed for g in grouped)

    def _effective(self, object_id: str, counts: Counts, a: int, g: int, u: int) -> bool:
        if object_id in self._sim.directory.groups:
            return self._assigned_group(object_id, counts, a, g)
        return object_id in self._moments[u].live and self._reached(object_id, counts, a, g)

    def _assigned(self, counts: Counts, a: int) -> set[str]:
        return {who for who, role in self._moments[a].assignments if not counts.roles or role in counts.roles}

    def _assigned_group(self, group_id: str, counts: Counts, a: int, g: int) -> bool:
        return group_id in self._assigned(counts, a) and group_id in self._moments[g].counting_groups

    def _reached(self, user_id: str, counts: Counts, a: int, g: int) -> bool:
        assigned = self._assigned(counts, a)
        if user_id in assigned:
            return True
        moment = self._moments[g]
        return any(self._contains(moment, group, user_id, nested=counts.nested) for group in assigned)

    @staticmethod
    def _contains(moment: Moment, group_id: str, user_id: str, *, nested: bool) -> bool:
        waiting, met = [group_id], {group_id}
        while waiting:
            current = waiting.pop()
            if current not in moment.counting_groups:
                continue
            if user_id in moment.members[current]:
                return True
            if nested:
                below = {member for member in moment.members[current] if member in moment.members} - met
                met |= below
                waiting += below
        return False
