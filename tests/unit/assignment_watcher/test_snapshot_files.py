"""A snapshot on disk: only inside its folder, only as a whole, and only while nobody writes it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from services.assignment_watcher.settings import WatcherSettings
from services.assignment_watcher.sources.snapshot import NO_GROUPS, Snapshot
from services.assignment_watcher.sources.snapshot_content import SnapshotContent
from services.assignment_watcher.sources.snapshot_files import find_files
from services.assignment_watcher.sources.snapshot_rows import ALWAYS_READ, role_id_of
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    SourceError,
    SourceMisconfiguredError,
    SourceUnavailableError,
    Stream,
)
from shared.contracts.job import SnapshotSource

HEADER = "userPrincipalName,roles,assignedAt\n"


def person(number: int) -> str:
    return f"user{number}@contoso.example,,\n"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(header + "".join(rows))
    return path


def content(folder: Path | None, path: str, *, limit: int = 1_000_000) -> SnapshotContent:
    return SnapshotContent(path, folder=folder, limit_bytes=limit, selected=ALWAYS_READ)


def snapshot(folder: Path | None, path: str = "people.csv", *, limit: int = 1_000_000) -> Snapshot:
    return Snapshot(SnapshotSource(kind="snapshot", path=path), ("jobTitle",), folder=folder, limit_bytes=limit)


def names(folder: Path, path: str) -> list[str]:
    return [file.name for file in find_files(folder, path)]


def test_a_folder_is_its_csv_and_json_lines_files_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "C.CSV", ".hidden.csv", "notes.txt", "a.csv.part", "deeper/d.csv"):
        write(tmp_path / "people" / name, person(1))
    assert names(tmp_path, "people") == ["people/C.CSV", "people/a.jsonl", "people/b.csv"]
    assert names(tmp_path, "./people//deeper/") == ["people/deeper/d.csv"]
    assert names(tmp_path, "people/b.csv") == ["people/b.csv"]
    assert names(tmp_path / "people" / "deeper", ".") == ["d.csv"]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("missing.csv", "there is no missing.csv"),
        ("missing/people.csv", "there is no missing/people.csv"),
        ("notes.txt", "neither a folder nor a file that ends in .csv or .jsonl"),
        ("empty", "has no file that ends in"),
        ("out.csv", "out.csv leads out of the snapshot folder"),
        ("out", "out leads out of the snapshot folder"),
        ("out/secret.csv", "out/secret.csv leads out of the snapshot folder"),
        ("linked", "linked/secret.csv leads out of the snapshot folder"),
        ("round.csv", "symbolic link"),
        ("people.csv/more.csv", "there is no people.csv/more.csv"),
        ("pipe.csv", "pipe.csv is not a file"),
        ("folder.csv", "has no file that ends in"),
        ("odd", "odd/inner.csv is not a file"),
        ("n" * 300 + ".csv", "cannot be a file"),
    ],
)
def test_what_is_not_a_snapshot_inside_the_folder_is_refused(tmp_path: Path, path: str, what: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(outside / "secret.csv", person(1))
    write(root / "people.csv", person(1))
    write(root / "notes.txt")
    for name in ("empty", "linked", "folder.csv", "odd/inner.csv"):
        (root / name).mkdir(parents=True)
    (root / "out.csv").symlink_to(outside / "secret.csv")
    (root / "out").symlink_to(outside)
    (root / "linked" / "secret.csv").symlink_to(outside / "secret.csv")
    (root / "round.csv").symlink_to(root / "round.csv")
    os.mkfifo(root / "pipe.csv")
    with pytest.raises(SourceMisconfiguredError) as caught:
        content(root, path).check()
    assert what in str(caught.value)
    assert str(tmp_path) not in str(caught.value), "where the folder lies is nobody's business"


def test_a_socket_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.csv")
        with pytest.raises(SourceError):
            content(tmp_path, "s.csv").check()


def test_links_inside_the_folder_are_followed_as_kubernetes_mounts_its_files(tmp_path: Path) -> None:
    write(tmp_path / "..2026_03_31" / "people.csv", person(1))
    (tmp_path / "..data").symlink_to("..2026_03_31")
    (tmp_path / "people.csv").symlink_to("..data/people.csv")
    assert names(tmp_path, ".") == ["people.csv"]
    assert content(tmp_path, ".").check().users == 1


def test_without_a_folder_the_variable_is_named(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "missing"):
        with pytest.raises(SourceMisconfiguredError, match="SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_FOLDER"):
            content(folder, "people.csv").check()


def test_an_empty_variable_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://localhost/nothing")
    monkeypatch.setenv("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "localhost:9")
    monkeypatch.setenv("SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_FOLDER", "")
    assert WatcherSettings.from_environment().assignment_watcher_snapshot_folder is None


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "people.csv", person(1))

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    # Tests may run as root, who may read everything.
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceMisconfiguredError, match=r"people\.csv may not be read"):
        content(tmp_path, "people.csv").check()


def test_a_disk_that_fails_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "people.csv", person(1))

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(SourceUnavailableError, match=r"people\.csv could not be read \(EIO\)"):
        content(tmp_path, "people.csv").check()


def test_the_limit_counts_all_files_together(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", person(1))
    write(tmp_path / "2.csv", person(2))
    assert content(tmp_path, ".", limit=2 * one.stat().st_size).check().users == 2
    with pytest.raises(SourceMisconfiguredError, match="SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_BYTES"):
        content(tmp_path, ".", limit=2 * one.stat().st_size - 1).check()


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "people.csv", person(1), "x" * 200_000)
    with pytest.raises(SourceMisconfiguredError, match=r"people\.csv, line 3: is longer"):
        content(tmp_path, "people.csv").check()


def test_the_same_user_in_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", person(1), person(2))
    write(tmp_path / "2.csv", person(3), person(2).upper())
    with pytest.raises(SourceMisconfiguredError, match=r"2\.csv, line 3, .* 1\.csv, line 3"):
        content(tmp_path, ".").check()


def test_one_broken_file_spoils_the_whole_folder(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", person(1))
    (tmp_path / "2.csv").write_bytes(b"")
    with pytest.raises(SourceMisconfiguredError, match=r"2\.csv is empty"):
        content(tmp_path, ".").check()


def test_content_that_was_looked_at_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "people.csv", person(1))
    known = content(tmp_path, "people.csv")
    first = known.check()
    os.utime(tmp_path / "people.csv")
    assert known.check() is first, "another time of change is no other content"
    write(tmp_path / "people.csv", person(2))
    assert known.check() != first
    write(tmp_path / "people.csv", "broken\n")
    with pytest.raises(SourceMisconfiguredError):
        known.check()
    write(tmp_path / "people.csv", person(2))
    assert known.check().users == 1


def rewrite(path: Path) -> None:
    """Write the same number of bytes in place."""
    path.write_bytes(path.read_bytes().replace(b"user", b"USER"))


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(person(9_999).encode())


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("how", [rewrite, replace, append, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["1.csv", "2.csv"])
def test_a_file_that_changes_while_it_is_read_gives_nothing(tmp_path: Path, how: object, name: str) -> None:
    for place in (1, 2):
        write(tmp_path / f"{place}.csv", *(person(place * 10_000 + number) for number in range(3_000)))
        os.utime(tmp_path / f"{place}.csv", (1, 1))
    known = content(tmp_path, ".")
    rows = known.rows(known.check())
    for _ in range(3_500):
        next(rows)
    how(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(SourceError) as caught:
        list(rows)
    assert "changed while it was read" in str(caught.value) or how is Path.unlink


def test_a_file_that_comes_while_others_are_read_gives_nothing(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", *(person(number) for number in range(10)))
    known = content(tmp_path, ".")
    rows = known.rows(known.check())
    next(rows)
    write(tmp_path / "0.csv", person(20))
    with pytest.raises(SourceUnavailableError, match="changed while it was read"):
        list(rows)


async def test_a_header_alone_is_an_empty_listing_for_the_guard_to_judge(tmp_path: Path) -> None:
    write(tmp_path / "people.csv")
    source = snapshot(tmp_path)
    assert [row async for page in source.read_assignments() for row in page] == []
    [page] = [page async for page in source.read_changes(Stream.USERS, None)]
    assert (page.records, page.following) == (0, None)
    assert page.link
    assert [role.value for role in await source.read_roles()] == ["User"]
    assert await source.count_users() == 0


async def test_each_role_is_an_assignment_with_the_time_of_the_row(tmp_path: Path) -> None:
    write(tmp_path / "people.csv", "ada@contoso.example,User; Admin ;User,2026-03-31T08:00:00Z\n", person(1))
    source = snapshot(tmp_path)
    [rows] = [page async for page in source.read_assignments()]
    assert [(row.role_id, row.assigned_at) for row in rows] == [
        (role_id_of("User"), "2026-03-31T08:00:00+00:00"),
        (role_id_of("Admin"), "2026-03-31T08:00:00+00:00"),
        (role_id_of("User"), None),
    ]
    assert len({row.assignment_id for row in rows}) == 3
    assert [(role.id, role.value) for role in await source.read_roles()] == [
        (role_id_of("Admin"), "Admin"),
        (role_id_of("User"), "User"),
    ]


@pytest.mark.parametrize("page", ["nonsense", "0:0", ":", "{link}:", "{link}:-1", "{link}:3", "{link}:x", "{link}x:1"])
async def test_a_page_of_other_content_starts_the_round_anew(tmp_path: Path, page: str) -> None:
    write(tmp_path / "people.csv", person(1), person(2))
    source = snapshot(tmp_path)
    [only] = [page async for page in source.read_changes(Stream.USERS, None)]
    with pytest.raises(RestartRoundError):
        await anext(source.read_changes(Stream.USERS, None, page=page.format(link=only.link)))
    [rest] = [page async for page in source.read_changes(Stream.USERS, None, page=f"{only.link}:1")]
    assert rest.records == 1
    write(tmp_path / "people.csv", person(1), person(3))
    with pytest.raises(RestartRoundError):
        await anext(source.read_changes(Stream.USERS, None, page=f"{only.link}:1"))


async def test_no_link_is_given_for_content_that_changed_under_the_last_page(tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", *(person(number) for number in range(1_500)))
    read = []
    with pytest.raises(SourceUnavailableError, match="changed while it was read"):
        async for page in snapshot(tmp_path).read_changes(Stream.USERS, None):
            read.append(page)
            append(file)
    assert [page.link for page in read] == [None]


async def test_a_link_belongs_to_the_columns_that_were_read(tmp_path: Path) -> None:
    write(tmp_path / "people.csv", person(1))
    source = snapshot(tmp_path)
    [page] = [page async for page in source.read_changes(Stream.USERS, None)]
    other = Snapshot(
        SnapshotSource(kind="snapshot", path="people.csv"), ("city",), folder=tmp_path, limit_bytes=1_000_000
    )
    [full] = [page async for page in other.read_changes(Stream.USERS, page.link)]
    assert full.records == 1


async def test_groups_never_change(tmp_path: Path) -> None:
    for link in (None, NO_GROUPS, "another"):
        [page] = [page async for page in snapshot(tmp_path).read_changes(Stream.GROUPS, link)]
        assert (page.records, page.link) == (0, NO_GROUPS)


def open_files() -> int:
    descriptors = Path("/proc/self/fd")
    return len(list(descriptors.iterdir())) if descriptors.exists() else 0


async def test_files_are_read_outside_the_event_loop_and_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "people.csv", *(person(number) for number in range(5_000)))
    threads, opening = set(), os.open

    def noticed(*arguments: object) -> int:
        threads.add(threading.current_thread())
        return opening(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", noticed)
    before = open_files()
    source = snapshot(tmp_path)
    for _ in range(3):
        async for _ in source.read_assignments():
            break
        async for _ in source.read_changes(Stream.USERS, None):
            break
    await source.find_users(["0b0b0b0b-0000-4000-8000-00000000000b"])
    assert threads
    assert threading.main_thread() not in threads
    assert open_files() <= before


async def test_no_address_of_the_machine_and_no_value_is_in_the_identity(tmp_path: Path) -> None:
    assert snapshot(tmp_path, "a//b.csv").identity == snapshot(tmp_path / "c", "./a/b.csv").identity
    assert str(tmp_path) not in snapshot(tmp_path).identity
