"""Servers of their own for the tests that kill them: run as a program, as a person would."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import psutil
import pytest

from tests.support.eventually import eventually
from tests.support.servers import short_lived_folder


class Program:
    """`python -m deploy.embedded` on a folder, with nothing of this machine on its PATH."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "deploy.embedded", "--data-dir", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "PATH": "/nonexistent"},
            start_new_session=True,
        )

    async def urls(self) -> dict[str, str]:
        """The line that it prints when both are ready."""
        line = await asyncio.to_thread(self.popen.stdout.readline)
        assert line, self.popen.stderr.read().decode()
        return orjson.loads(line)

    def family(self) -> list[psutil.Process]:
        """Everything below it."""
        return psutil.Process(self.popen.pid).children(recursive=True)

    async def end(self, number: int) -> int:
        """Sends the signal and waits for the end of this process alone."""
        if self.popen.poll() is None:
            os.kill(self.popen.pid, number)
        return await asyncio.to_thread(self.popen.wait, 40)

    async def failure(self) -> str:
        """What it says when it ends by itself, with exit code 1 and without a stack trace."""
        assert await asyncio.to_thread(self.popen.wait, 40) == 1
        said = self.popen.stderr.read().decode()
        assert "Traceback" not in said
        return said


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new data folder."""
    with short_lived_folder() as path:
        yield path


@pytest.fixture
async def start_program(folder: Path) -> AsyncIterator:
    """Starts the program on the folder; whatever still runs is killed at the end."""
    programs: list[Program] = []

    def start() -> Program:
        programs.append(Program(folder))
        return programs[-1]

    yield start
    for program in programs:
        if program.popen.poll() is None:
            family = program.family()
            await program.end(signal.SIGKILL)
            await eventually(lambda family=family: not any(alive(process) for process in family), within=20)
        program.popen.stdout.close()
        program.popen.stderr.close()


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
