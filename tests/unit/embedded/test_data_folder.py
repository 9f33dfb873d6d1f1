"""A data folder belongs to one run, is never half made, and says in one sentence what is wrong with it."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from deploy.embedded import EmbeddedError, cache_dir, default_data_dir, open_data_folder

_HOLD = """
import sys
from pathlib import Path
from deploy.embedded import open_data_folder
with open_data_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


def test_two_runs_do_not_share_a_folder_and_a_killed_run_holds_nothing(path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EmbeddedError, match=f"in use by process {holder.pid}"), open_data_folder(path):
            pass
        holder.kill()
        holder.wait()
    with open_data_folder(path) as folder:
        assert folder.path == path


def test_secrets_stay_are_private_and_differ(path):
    with open_data_folder(path) as folder:
        first = folder.secret("a")
        assert folder.secret("b") != first
    with open_data_folder(path) as folder:
        assert folder.secret("a") == first
    assert (path / "secrets" / "a").stat().st_mode & 0o777 == 0o600
    assert (path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_folder_can_not_be_read_by_others(path):
    with open_data_folder(path):
        assert path.stat().st_mode & 0o066 == 0


def test_a_half_made_part_is_made_again_and_a_whole_one_is_kept(path):
    with open_data_folder(path) as folder:
        part = folder.begin("kafka")
        (part / "half").touch()
        again = folder.begin("kafka")
        assert list(again.iterdir()) == []
        (again / "whole").touch()
        folder.finish("kafka", "4.4.0")
        assert folder.begin("kafka") is None
        assert (again / "whole").exists()
        assert folder.mark("kafka") == "4.4.0"
        shutil.rmtree(again)
        assert folder.begin("kafka") == again


def test_somebody_elses_files_are_left_alone(path):
    path.mkdir()
    (path / "thesis.tex").touch()
    with pytest.raises(EmbeddedError, match="not Seatkeeper's"), open_data_folder(path):
        pass
    assert (path / "thesis.tex").exists()


def test_a_run_killed_while_it_made_the_folder_does_not_spoil_it(path):
    path.mkdir()
    (path / "lock").touch()
    (path / ".layout.draft").touch()
    with open_data_folder(path):
        assert (path / "layout").read_text() == "1"


def test_another_releases_folder_is_refused(path):
    with open_data_folder(path):
        pass
    (path / "layout").write_text("9")
    with pytest.raises(EmbeddedError, match="another release"), open_data_folder(path):
        pass


def test_a_file_is_refused(path):
    path.touch()
    with pytest.raises(EmbeddedError, match="is a file"), open_data_folder(path):
        pass


def test_a_full_disk_is_named(path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(EmbeddedError, match="Only 5 MiB are free"), open_data_folder(path):
        pass


def test_a_disk_that_fills_up_later_is_named(path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with open_data_folder(path) as folder:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(EmbeddedError, match=r"the disk is full: free some space"):
            folder.secret("a")


def test_missing_permission_is_named(path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(EmbeddedError, match="permission is missing"), open_data_folder(path):
        pass


def test_the_places_nobody_chose(monkeypatch, tmp_path):
    assert default_data_dir().name == "seatkeeper"
    monkeypatch.setenv("SEATKEEPER_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("SEATKEEPER_CACHE_DIR")
    assert cache_dir().name == "seatkeeper"
