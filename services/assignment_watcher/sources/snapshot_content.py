"""What a snapshot says as a whole: every row is looked at before one of them is used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.assignment_watcher.sources.snapshot_files import Pass
from services.assignment_watcher.sources.snapshot_rows import DEFAULT_ROLE, Identities, SnapshotRow, read_rows
from services.assignment_watcher.sources.source import SourceMisconfiguredError, SourceUnavailableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Content without a fault: its digest, the role values that occur (and the default one), and how many users there are."""

    digest: str
    roles: tuple[str, ...]
    users: int


class SnapshotContent:
    """The files at one path, read in passes that keep nothing but what is asked for. Every method does file I/O and may block.

    Raises ``SourceMisconfiguredError`` for what must be corrected and ``SourceUnavailableError`` for what may pass.
    """

    def __init__(self, path: str, *, folder: Path | None, limit_bytes: int, selected: Sequence[str]) -> None:
        self._path = path
        self._folder = folder
        self._limit = limit_bytes
        self._selected = selected
        self._checked: Checked | None = None

    def check(self) -> Checked:
        """Return what the files hold now. Content that was checked before is only compared with its digest."""
        known = self._checked
        if known is None or self._pass().skim() != known.digest:
            known = self._checked = self._look()
        return known

    def rows(self, checked: Checked) -> Iterator[SnapshotRow]:
        """Yield every row; raises ``SourceUnavailableError`` in the end when they are no longer what was checked."""
        files = self._pass()
        yield from self._parse(files)
        if files.finish() != checked.digest:
            raise SourceUnavailableError("the snapshot changed while it was read; the next cycle reads it again")

    def _pass(self) -> Pass:
        return Pass(self._folder, self._path, self._limit)

    def _look(self) -> Checked:
        files, identities, roles, users = self._pass(), Identities(), {DEFAULT_ROLE}, 0
        for row in self._parse(files, identities):
            roles.update(row.roles)
            users += 1
        return Checked(digest=files.finish(), roles=tuple(sorted(roles)), users=users)

    def _parse(self, files: Pass, identities: Identities | None = None) -> Iterator[SnapshotRow]:
        try:
            for file in files.files:
                for row in read_rows(file.name, files.lines(file), self._selected):
                    if identities is not None:
                        identities.add(file.name, row)
                    yield row
        except SourceMisconfiguredError:
            # Half of what is being written looks broken: that passes, and is nothing to correct.
            files.check_unchanged()
            raise
