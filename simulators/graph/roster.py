"""The rows of appRoleAssignedTo in the order the listing gives them."""

from simulators.graph.entities import Assignment


class Roster:
    """Visible assignments with O(1) insertion and removal, read by position.

    "moving": a removal puts the last row into the gap, so a listing under way may miss an untouched row, as paging that
    is no snapshot can. "stable": a removal leaves a gap and nothing moves.
    """

    __slots__ = ("_where", "moving", "rows")

    def __init__(self) -> None:
        self.rows: list[Assignment | None] = []
        self._where: dict[str, int] = {}
        self.moving = True

    def __contains__(self, assignment_id: str) -> bool:
        return assignment_id in self._where

    def add(self, assignment: Assignment) -> None:
        """Append a row, unless it is listed already."""
        if assignment.id not in self._where:
            self._where[assignment.id] = len(self.rows)
            self.rows.append(assignment)

    def discard(self, assignment_id: str) -> None:
        """Take a row out, if it is listed."""
        position = self._where.pop(assignment_id, None)
        if position is None:
            return
        if not self.moving:
            self.rows[position] = None
            return
        last = self.rows.pop()
        if position < len(self.rows):
            self.rows[position] = last
            if last is not None:
                self._where[last.id] = position
