"""As root, PostgreSQL runs under another account, and only from places that account can reach."""

import os
from pathlib import Path

import pytest

from deploy.embedded import EmbeddedError, open_data_folder
from deploy.embedded.account import reachable_programs, server_account
from tests.support.servers import short_lived_folder


def install(package: Path) -> Path:
    programs = package / "pginstall18"
    (programs / "bin").mkdir(parents=True)
    (programs / "bin" / "postgres").write_text("program")
    (package.with_name(f"{package.name}.libs")).mkdir()
    (package.with_name(f"{package.name}.libs") / "libpq.so").write_text("library")
    return programs


def test_an_ordinary_user_stays_that_user(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None


def test_root_becomes_an_account_without_its_rights(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    uid, gid = server_account()
    assert 0 not in {uid, gid}


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with short_lived_folder() as path, open_data_folder(path) as folder:
        yield folder


def test_programs_in_a_closed_place_are_copied_with_their_libraries(folder, tmp_path):
    tmp_path.chmod(0o700)
    programs = install(tmp_path / "pg")
    copy = reachable_programs(folder, programs, "18")
    assert copy.is_relative_to(folder.path)
    assert (copy / "bin" / "postgres").read_text() == "program"
    assert (copy.parent.parent / "pg.libs" / "libpq.so").exists()
    assert reachable_programs(folder, programs, "18") == copy
    assert tmp_path.stat().st_mode & 0o777 == 0o700, "nothing that is not ours is opened up"


def test_programs_in_an_open_place_are_used_where_they_are(folder):
    with short_lived_folder() as place:
        place.chmod(0o755)
        programs = install(place / "pg")
        assert reachable_programs(folder, programs, "18") == programs


def test_a_data_folder_in_a_closed_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    with (
        open_data_folder(tmp_path / "data") as folder,
        pytest.raises(EmbeddedError, match=r"may not enter .*--data-dir"),
    ):
        reachable_programs(folder, tmp_path, "18")
