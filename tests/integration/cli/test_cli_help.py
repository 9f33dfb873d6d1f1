"""Help is instant and complete: nothing heavy is imported for it, and every command has some."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, seatkeeper

HEAVY = ("aiohttp", "aiokafka", "asyncpg", "pydantic", "rich", "fastapi", "faststream")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from cli.main import seatkeeper; seatkeeper.main(['--help'], standalone_mode=False); "
        f"sys.exit(' '.join({HEAVY!r} & sys.modules.keys()) or 0)"
    ).replace(repr(HEAVY), repr(set(HEAVY)))
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert all(name in run.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(seatkeeper, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_a_command_that_does_not_exist_is_told_with_exit_status_2() -> None:
    result = CliRunner().invoke(seatkeeper, ["provision"])
    assert result.exit_code == 2
    assert "provision" in result.output
