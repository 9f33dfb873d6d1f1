"""What a watcher said, read from its outbox as it grows and folded from empty."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.contracts.assignments import DirectoryAssignment


@dataclass
class Outcome:
    """``latest``: the newest message of each user and group. ``ids``: payloads by event id. ``problems``: what contradicts the fold."""

    latest: dict[str, DirectoryAssignment] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    story: list[tuple[str, int, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    last_row: int = 0

    async def read_on(self, connection: Any) -> list[tuple[DirectoryAssignment | None, DirectoryAssignment]]:
        """Take over what was said since the last time; return each message about a user or group with the one before it."""
        rows = await connection.fetch("SELECT * FROM outbox WHERE id > $1 ORDER BY id", self.last_row)
        news = []
        for row in rows:
            self.last_row = row["id"]
            headers = orjson.loads(row["headers"])
            payload, kind = (row["payload"] or b"").decode(), headers["ce_type"]
            self.texts.append(row["headers"] + payload)
            # That an initial cycle began is said before it is known how it ends, so another process may say it again, in the same words.
            said_before = self.ids.get(headers["ce_id"])
            if said_before is not None and (kind == DirectoryAssignment.type or said_before != payload):
                self.problems.append(
                    f"event id {headers['ce_id']} of {kind} is there twice: {said_before} and {payload}"
                )
            self.ids[headers["ce_id"]] = payload
            if headers["ce_type"] != DirectoryAssignment.type:
                continue
            message = DirectoryAssignment.model_validate_json(row["payload"])
            before = self.latest.get(message.object_id)
            if message.sequence != (before.sequence + 1 if before else 1):
                self.problems.append(
                    f"{message.object_id}: version {message.sequence} after {before.sequence if before else 0}"
                )
            self.latest[message.object_id] = message
            self.story.append((message.object_id, message.sequence, _content(message)))
            news.append((before, message))
        return news


def effective(message: DirectoryAssignment | None, counting: frozenset[str]) -> bool:
    """Whether a message says that its user or group is assigned: live, and by a role that counts (none named: any)."""
    if message is None or not message.assigned or message.lifecycle != "live":
        return False
    return any(not counting or path.role_id in counting for path in message.paths)


def _content(message: DirectoryAssignment) -> str:
    """What a message says, without the times of the cycle that said it."""
    content = message.model_dump(mode="json", exclude={"cycle_id", "cycle_kind", "observed_at"})
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()
