"""What the suite may do to the directory behind a source, and what it reads through the source."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from services.assignment_watcher.listing import AssignmentRow, ListingDigest
from services.assignment_watcher.sources.source import ChangePage, Source, Stream
from shared.contracts.assignments import AppRole

ATTRIBUTES = ("department", "jobTitle")
ROLE = "User"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to be assigned to the application with the role User."""

    id: str
    title: str = "Clerk"

    @property
    def name(self) -> str:
        return f"private.{self.id[:8]}.{self.id[-4:]}@contoso.example"

    @property
    def properties(self) -> dict[str, Any]:
        return {
            "userPrincipalName": self.name,
            "displayName": f"Private {self.id[-6:]}",
            "mail": self.name,
            "jobTitle": self.title,
            "department": None,
            "accountEnabled": True,
        }


def people(number: int) -> list[Person]:
    return [Person(id=f"{place:08x}-0000-4000-8000-00000000abcd") for place in range(1, number + 1)]


class World(Protocol):
    """A directory behind a source. Everybody in it holds the role User of the application."""

    private: set[str]
    """What no error may show: secrets, names, addresses."""
    breakages: Mapping[str, Callable[[], Awaitable[None]]]
    """What can go wrong, by name."""

    def source(self, attributes: Sequence[str] = ATTRIBUTES) -> Source:
        """A source of the job, as another process would open it."""

    def elsewhere(self) -> Source:
        """A source that reads something else."""

    async def come(self, *new: Person) -> None:
        """Let people come into the directory and be assigned."""

    async def change(self, person: Person, **properties: Any) -> None:
        """Change properties of one of them, ``manager`` (an id) among them; null clears."""

    async def go(self, person: Person) -> None:
        """Let one of them be gone for good, with the assignment."""

    async def shout(self) -> None:
        """Write all ids in upper case from now on."""

    async def mend(self) -> None:
        """Undo what a breakage did."""


def records(page: ChangePage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(page.body)["value"] if page.records else []
    assert len(found) == page.records
    return found


def fold(state: dict[str, dict[str, Any]], pages: Sequence[ChangePage]) -> dict[str, dict[str, Any]]:
    """What is known after these pages: absent properties keep their value, null clears, the last word counts."""
    state = {object_id: dict(known) for object_id, known in state.items()}
    for page in pages:
        for record in records(page):
            object_id = record["id"].lower()
            if "@removed" in record:
                state.pop(object_id, None)
                continue
            known = state.setdefault(object_id, {})
            for entry in record.get("manager@delta", ()):
                if "@removed" not in entry:
                    known["manager"] = entry["id"].lower()
                elif known.get("manager") == entry["id"].lower():
                    del known["manager"]
            for name, value in record.items():
                if name[:1] == "@" or name == "id" or "@" in name:
                    continue
                if value is None:
                    known.pop(name, None)
                else:
                    known[name] = value
    return state


async def listed(source: Source) -> list[AssignmentRow]:
    return [row async for page in source.read_assignments() for row in page]


async def listing_digest(source: Source) -> bytes:
    digest = ListingDigest()
    async for page in source.read_assignments():
        digest.add(page)
    return digest.value()


async def round_of(
    source: Source, stream: Stream, link: str | None = None, *, page: str | None = None
) -> tuple[list[ChangePage], str]:
    """One round to its end, each page checked for its one link; and the link of the next round."""
    pages = await collect(source.read_changes(stream, link, page=page))
    assert pages, "a round has at least one page"
    for each in pages[:-1]:
        assert each.link is None
        assert each.following, "a page that is not the last one says where the round goes on"
    last = pages[-1]
    assert last.following is None
    assert last.link, "a round ends with a link"
    return pages, last.link


async def collect(pages: AsyncIterator[ChangePage]) -> list[ChangePage]:
    return [page async for page in pages]


async def roles_of(source: Source) -> list[AppRole]:
    return sorted(await source.read_roles(), key=lambda role: role.id)


async def _assignments(source: Source) -> set[AssignmentRow]:
    return set(await listed(source))


async def _users(source: Source) -> dict[str, dict[str, Any]]:
    return fold({}, (await round_of(source, Stream.USERS))[0])


async def _groups(source: Source) -> dict[str, dict[str, Any]]:
    return fold({}, (await round_of(source, Stream.GROUPS))[0])


READS: Mapping[str, Callable[[Source], Awaitable[Any]]] = {
    "roles": roles_of,
    "assignments": _assignments,
    "groups": _groups,
    "users": _users,
}
"""The reads of a full cycle, by name, each with an answer that can be compared."""
