"""Snapshot files as the directory behind a source: one CSV file, one JSON Lines file, or a folder of both."""

import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from services.assignment_watcher.sources.snapshot import Snapshot
from services.assignment_watcher.sources.source import Source
from shared.contracts.job import SnapshotSource
from tests.conformance.sources.world import ATTRIBUTES, ROLE, Person

LIMIT_BYTES = 10_000_000
PATHS = {"csv": "people.csv", "jsonl": "people.jsonl", "folder": "people"}


class SnapshotWorld:
    """Writes all files anew after each change, the way an export does: under another name first, then in place."""

    def __init__(self, folder: Path, layout: str) -> None:
        self.private: set[str] = set()
        self._folder = folder
        self._path = PATHS[layout]
        self._files = ["people/1.jsonl", "people/2.csv"] if layout == "folder" else [self._path]
        self._rows: dict[str, dict[str, Any]] = {}
        self._upper = False
        self.breakages: Mapping[str, Callable[[], Awaitable[None]]] = {
            "missing": self._missing,
            "nothing in it": self._nothing,
            "not UTF-8": self._encoding,
            "cut off in the middle": self._cut,
            "the same user twice": self._twice,
            "a directory in its place": self._directory,
            "a link that leads out": self._link,
            "too large": self._large,
        }
        self._limit = LIMIT_BYTES
        (folder / self._files[0]).parent.mkdir(exist_ok=True)

    def source(self, attributes: Sequence[str] = ATTRIBUTES) -> Source:
        return self._open(self._path, attributes)

    def elsewhere(self) -> Source:
        return self._open("other.csv", ATTRIBUTES)

    def _open(self, path: str, attributes: Sequence[str]) -> Source:
        job = SnapshotSource(kind="snapshot", path=path)
        return Snapshot(job, attributes, folder=self._folder, limit_bytes=self._limit)

    async def come(self, *new: Person) -> None:
        for person in new:
            self._rows[person.id] = {"id": person.id, "roles": [ROLE], **person.properties}
            self.private |= {person.name, person.properties["displayName"], person.id}
        self._write()

    async def change(self, person: Person, **properties: Any) -> None:
        self._rows[person.id] |= properties
        self._write()

    async def go(self, person: Person) -> None:
        del self._rows[person.id]
        self._write()

    async def shout(self) -> None:
        self._upper = True
        self._write()

    async def mend(self) -> None:
        first = self._folder / self._files[0]
        if first.is_symlink() or first.is_file():
            first.unlink()
        elif first.is_dir():
            first.rmdir()
        self._write()

    def _write(self) -> None:
        rows = [row | {"id": row["id"].upper() if self._upper else row["id"]} for row in self._rows.values()]
        half = (len(rows) + 1) // len(self._files)
        for place, name in enumerate(self._files):
            mine = rows[place * half :] if place == len(self._files) - 1 else rows[:half]
            content = _csv(mine) if name.endswith(".csv") else b"".join(orjson.dumps(row) + b"\n" for row in mine)
            written = self._folder / ".written"
            written.write_bytes(content)
            written.replace(self._folder / name)

    @property
    def _first(self) -> Path:
        return self._folder / self._files[0]

    async def _missing(self) -> None:
        self._first.unlink()
        if len(self._files) > 1:
            (self._folder / self._files[1]).unlink()

    async def _nothing(self) -> None:
        self._first.write_bytes(b"")

    async def _encoding(self) -> None:
        self._first.write_bytes(self._first.read_bytes().replace(b"Clerk", "Bäcker".encode("latin-1"), 1))

    async def _cut(self) -> None:
        whole = self._first.read_bytes()
        self._first.write_bytes(whole[: len(whole) - 12])

    async def _twice(self) -> None:
        whole = self._first.read_bytes()
        self._first.write_bytes(whole + whole[whole.rindex(b"\n", 0, -1) + 1 :])

    async def _directory(self) -> None:
        self._first.unlink()
        self._first.mkdir()

    async def _link(self) -> None:
        outside = self._folder.parent / f"outside-{self._folder.name}{self._first.suffix}"
        self._first.replace(outside)
        self._first.symlink_to(outside)

    async def _large(self) -> None:
        with self._first.open("ab") as file:
            file.truncate(LIMIT_BYTES + 1)


def _csv(rows: list[dict[str, Any]]) -> bytes:
    columns = ["id", "userPrincipalName", "displayName", "mail", *ATTRIBUTES, "manager", "accountEnabled", "roles"]
    file = io.StringIO()
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for row in rows:
        enabled = str(row["accountEnabled"]).lower()
        writer.writerow({**row, "roles": ";".join(row["roles"]), "accountEnabled": enabled})
    return file.getvalue().encode()
