"""What a killed run left running is recognised and ended; what merely has its number is left alone."""

import subprocess
import sys

import orjson
import psutil
import pytest

from deploy.embedded.leftovers import end_leftover_postgres, end_leftovers


@pytest.fixture
def stray():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as process:
        yield process
        process.kill()


def test_a_process_of_the_record_is_ended_and_the_record_removed(stray, tmp_path):
    record = tmp_path / "processes.json"
    created = psutil.Process(stray.pid).create_time()
    record.write_bytes(orjson.dumps([{"name": "diff", "pid": stray.pid, "created": created}]))
    assert end_leftovers(record) == ["diff"]
    assert not psutil.pid_exists(stray.pid)
    assert not record.exists()


def test_a_number_that_was_given_to_another_program_is_left_alone(stray, tmp_path):
    record = tmp_path / "processes.json"
    created = psutil.Process(stray.pid).create_time() - 60
    record.write_bytes(orjson.dumps([{"name": "diff", "pid": stray.pid, "created": created}]))
    assert end_leftovers(record) == []
    assert stray.poll() is None


@pytest.mark.parametrize("content", [b"", b"half a rec", b"[]"])
def test_a_record_that_says_nothing_is_no_obstacle(tmp_path, content):
    record = tmp_path / "processes.json"
    record.write_bytes(content)
    assert end_leftovers(record) == []
    assert end_leftovers(record) == []


def test_a_pid_file_of_postgres_whose_number_is_another_programs_is_removed(stray, tmp_path):
    pid_file = tmp_path / "postmaster.pid"
    pid_file.write_text(f"{stray.pid}\n{tmp_path}\n")
    end_leftover_postgres(tmp_path)
    assert not pid_file.exists()
    assert stray.poll() is None
    end_leftover_postgres(tmp_path)
