"""Processes are started, watched, restarted and ended with everything that belongs to them."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.embedded import EmbeddedError, Process, RestartPolicy, Supervisor
from tests.support.eventually import eventually

_QUICK = RestartPolicy(first_delay_seconds=0.05, longest_delay_seconds=0.2)


def program(name: str, source: str, **options) -> Process:
    return Process(name=name, argv=(sys.executable, "-I", "-S", "-c", source), **options)


@pytest.fixture
async def supervisor(tmp_path):
    async with Supervisor(log_folder=tmp_path / "logs", record=tmp_path / "processes.json", restarts=_QUICK) as running:
        yield running


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


_SLEEP = "import time; time.sleep(600)"


async def test_a_ready_line_is_handed_on_and_the_output_after_it_is_still_taken(supervisor):
    source = (
        "import time; print('starting'); print('[1]'); print('{\"url\": \"http://x\"}', flush=True); "
        "print('x' * 1_000_000); print('last words', flush=True); time.sleep(600)"
    )

    running = await supervisor.start(program("simulator", source, ready_line=True))

    assert running.announced == {"url": "http://x"}
    log = supervisor.log_path("simulator")
    await eventually(lambda: "last words" in log.read_text())
    assert not gone(running.pid)


async def test_nothing_of_our_environment_is_inherited(supervisor, monkeypatch):
    monkeypatch.setenv("SEATKEEPER_LEAK", "1")
    source = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(600)"

    running = await supervisor.start(program("env", source, env={"A": "b"}, ready_line=True))

    # LC_CTYPE is what Python itself adds where no locale is set (PEP 538).
    assert {name: value for name, value in running.announced.items() if name != "LC_CTYPE"} == {"A": "b"}


async def test_start_waits_for_ready(supervisor):
    answers = iter([OSError(), False, True])

    async def ready() -> bool:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    await supervisor.start(program("p", _SLEEP, ready=ready))

    assert list(answers) == []


async def test_a_program_that_ends_before_it_is_ready_is_reported_with_its_code_and_log(supervisor):
    async def never() -> bool:
        return False

    with pytest.raises(EmbeddedError, match=r"p ended \(code 3\) before it was ready\. The disk is full.*p\.log"):
        await supervisor.start(
            program("p", "import sys; print('No space left on device'); sys.stdout.flush(); sys.exit(3)", ready=never)
        )
    assert supervisor.usage() == []


async def test_a_program_that_is_never_ready_is_ended(supervisor):
    with pytest.raises(EmbeddedError, match=r"not ready within 0\.3 s"):
        await supervisor.start(program("p", _SLEEP, ready_line=True, ready_timeout_seconds=0.3))
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if _SLEEP in child.cmdline()]


async def test_a_missing_program_is_reported(supervisor):
    async def never() -> bool:
        return False

    with pytest.raises(EmbeddedError, match="code 127"):
        await supervisor.start(Process(name="p", argv=("/nonexistent/program",), ready=never))


async def test_a_killed_process_starts_again_and_its_processor_time_is_kept(supervisor):
    busy = "import time\nwhile time.process_time() < 0.35: pass\nprint('{}', flush=True)\ntime.sleep(600)"
    first = await supervisor.start(program("p", busy, ready_line=True))

    assert supervisor.kill("p") == first.pid
    second = await supervisor.ready("p")

    assert second.pid != first.pid
    assert gone(first.pid)
    (usage,) = supervisor.usage()
    assert usage.restarts == 1
    assert usage.pid == second.pid
    assert usage.cpu_seconds >= 0.6
    assert usage.document()["cpuSeconds"] >= 0.6
    assert usage.rss_mib > 1


async def test_a_process_that_dies_by_itself_starts_again_with_growing_delays(supervisor, tmp_path):
    marks = tmp_path / "marks"
    source = f"import time; open({str(marks)!r}, 'a').write(str(time.monotonic()) + '\\n')"
    begun = time.monotonic()
    await supervisor.start(program("p", source))

    times = await eventually(
        lambda: len(t := marks.read_text().split()) >= 5 and t if marks.exists() else None, within=10
    )

    assert time.monotonic() - begun >= 0.05 + 0.1 + 0.2 + 0.2
    assert len(times) == 5


async def test_a_process_that_may_end_is_not_started_again(supervisor):
    running = await supervisor.start(program("p", "pass", restart=False))
    await eventually(lambda: gone(running.pid))
    await eventually(lambda: supervisor.usage()[0].rss_mib == 0)
    assert supervisor.usage()[0].restarts == 0


async def test_stop_is_polite_first_then_forceful(supervisor, tmp_path):
    polite = tmp_path / "polite"
    source = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(polite)!r}, 'a').write(sys.argv[1]); STOP\n"
        "signal.signal(signal.SIGTERM, end)\nprint('{}', flush=True)\ntime.sleep(600)"
    )
    willing = (sys.executable, "-c", source.replace("STOP", "sys.exit()"), "willing ")
    stubborn = (sys.executable, "-c", source.replace("STOP", "time.sleep(600)"), "stubborn ")
    for name, argv in (("willing", willing), ("stubborn", stubborn)):
        running = await supervisor.start(Process(name=name, argv=argv, ready_line=True, grace_seconds=0.5))
        await supervisor.stop(name)
        assert gone(running.pid)
    assert polite.read_text() == "willing stubborn "
    await supervisor.stop("stubborn")


async def test_restart_gives_a_new_process(supervisor):
    first = await supervisor.start(program("p", _SLEEP))
    second = await supervisor.restart("p")
    assert second.pid != first.pid
    assert gone(first.pid)


async def test_higher_layers_end_first(tmp_path):
    order = tmp_path / "order"
    source = (
        "import signal, sys, time\n"
        f"def end(*_): open({str(order)!r}, 'a').write(sys.argv[1]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\nprint('{}', flush=True)\ntime.sleep(600)"
    )
    async with Supervisor(log_folder=tmp_path) as supervisor:
        for name, layer in (("server", 0), ("service", 1), ("client", 2)):
            argv = (sys.executable, "-c", source, name[:3] + name[-1])
            await supervisor.start(Process(name=name, argv=argv, ready_line=True, layer=layer))
    assert order.read_text() == "clit" + "sere" + "serr"


async def test_what_a_program_started_ends_with_it(supervisor):
    source = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
        "start_new_session={session}); print('{\"pid\": %d}' % p.pid, flush=True); time.sleep(600)"
    )
    for session in ("False", "True"):
        running = await supervisor.start(program("p", source.replace("{session}", session), ready_line=True))
        supervisor.kill("p")
        await eventually(lambda running=running: gone(running.announced["pid"]))
        await supervisor.stop("p")


async def test_what_a_program_left_behind_ends_when_it_dies_by_itself(supervisor):
    source = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "print('{\"pid\": %d}' % p.pid, flush=True)"
    )
    running = await supervisor.start(program("p", source, ready_line=True, restart=False))
    await eventually(lambda: gone(running.announced["pid"]))


async def test_a_name_is_used_once(supervisor):
    await supervisor.start(program("p", _SLEEP))
    with pytest.raises(ValueError, match="p is running"):
        await supervisor.start(program("p", _SLEEP))


_PARENT = """
import asyncio, json, sys
from pathlib import Path
from deploy.embedded import Process, Supervisor

async def main():
    async with Supervisor(log_folder=Path(sys.argv[1])) as supervisor:
        running = await supervisor.start(Process(name="p", argv=(sys.executable, "-c", sys.argv[2]), ready_line=True))
        print(json.dumps({"pids": [running.pid, running.announced["pid"]]}), flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
# In the group of the child, so the parent death signal does not reach the grandchild: the guard does.
_CHILD = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print('{\"pid\": %d}' % p.pid, flush=True); time.sleep(600)"
)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_outlives_the_supervisor_however_it_ends(tmp_path, number):
    async with Supervisor(log_folder=tmp_path / "outer") as outer:
        argv = (sys.executable, "-c", _PARENT, str(tmp_path), _CHILD)
        running = await outer.start(
            Process(name="parent", argv=argv, ready_line=True, restart=False, env={"PYTHONPATH": str(Path.cwd())})
        )
        pids = running.announced["pids"]
        assert not any(gone(pid) for pid in pids)
        # Not through the outer supervisor, which would end the whole tree itself.
        os.kill(running.pid, number)
        await eventually(lambda: all(gone(pid) for pid in pids))


@pytest.mark.skipif(sys.platform != "linux", reason="the parent death signal is Linux's")
async def test_a_child_ends_with_its_parent_even_when_the_guard_is_gone(tmp_path):
    async with Supervisor(log_folder=tmp_path / "outer") as outer:
        argv = (sys.executable, "-c", _PARENT, str(tmp_path), _CHILD)
        running = await outer.start(
            Process(name="parent", argv=argv, ready_line=True, restart=False, env={"PYTHONPATH": str(Path.cwd())})
        )
        child, grandchild = running.announced["pids"]
        below = psutil.Process(running.pid).children()
        (guard,) = [process for process in below if process.cmdline()[-1].endswith("guard.py")]
        guard.kill()
        try:
            os.kill(running.pid, signal.SIGKILL)
            await eventually(lambda: gone(child))
        finally:
            os.kill(grandchild, signal.SIGKILL)
