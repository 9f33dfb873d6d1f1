"""``seatkeeper demo``: starts everything, goes through the tutorial in its order, checks the guarantees, stops everything."""

import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from cli.demo.stage import Notes, Options, Stage
from cli.failures import CommandFailedError

KILLABLE = (
    "assignment-watcher",
    "diff",
    "license-allocator",
    "scim-writer",
    "notifier",
    "console",
    "kafka",
    "postgres",
)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print nothing but one JSON document at the end.")
@click.option(
    "--users", type=click.IntRange(20, 100_000), default=200, show_default=True, help="Users in the directory."
)
@click.option(
    "--seats", type=click.IntRange(5, 100_000), default=150, show_default=True, help="Licenses at the target."
)
@click.option("--groups", type=click.IntRange(1, 5_000), default=3, show_default=True, help="Groups in the directory.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same people.")
@click.option(
    "--kill",
    type=click.Choice(KILLABLE),
    help="End this process with SIGKILL in the middle of the initial cycle, twice.",
)
@click.option("--keep", is_flag=True, help="Keep the data folder with its logs.")
def demo(as_json: bool, users: int, seats: int, groups: int, seed: int, kill: str | None, keep: bool) -> None:
    """Go through the tutorial with a simulated Graph, LinkedIn and mail server, over a real Kafka and PostgreSQL.

    Exit status 1 when one of the guarantees does not hold.
    """
    options = Options(users=users, seats=seats, groups=groups, seed=seed, kill=kill)
    # Below the system's temporary folder: PostgreSQL runs under another account when the caller is root.
    path = Path(tempfile.mkdtemp(prefix="seatkeeper-demo-"))
    try:
        document = asyncio.run(_interruptible(options, path, as_json))
    finally:
        if keep:
            click.echo(f"Data and logs are in {path}", err=True)
        else:
            shutil.rmtree(path, ignore_errors=True)
    if as_json:
        import orjson

        click.echo(orjson.dumps(document).decode())
    sys.exit(0 if document["ok"] else 1)


async def _interruptible(options: Options, path: Path, silent: bool) -> dict[str, Any]:
    playing = asyncio.create_task(_play(options, path, silent))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    try:
        return await playing
    except asyncio.CancelledError:
        raise click.Abort from None


async def _play(options: Options, path: Path, silent: bool) -> dict[str, Any]:
    import aiohttp

    from cli.client import connected
    from cli.demo.narrator import Narrator
    from cli.demo.report import report, summarize
    from cli.demo.simulated import Simulated
    from cli.system import whole_system
    from deploy.embedded import Supervisor, open_data_folder

    began = time.monotonic()
    narrator = Narrator(silent=silent)
    narrator.step("Starting everything: Kafka, PostgreSQL, six services, three simulators")
    with open_data_folder(path) as folder:
        async with (
            Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
            whole_system(
                folder,
                supervisor,
                simulators=True,
                report=narrator.say,
                variables={"SEATKEEPER_NOTIFIER_COLLECT_SECONDS": "2"},
            ) as system,
            aiohttp.ClientSession() as session,
            connected(system.console_url, system.token) as console,
        ):
            if system.simulators is None:
                raise CommandFailedError("The simulators are not running.")
            notes = Notes(startup_seconds=time.monotonic() - began)
            stage = Stage(
                options=options,
                narrator=narrator,
                system=system,
                supervisor=supervisor,
                console=console,
                simulated=Simulated(session, system.simulators),
                notes=notes,
            )
            narrator.good(
                f"everything is up after {notes.startup_seconds:.1f} s; the console is at {system.console_url}"
            )
            await _tell(stage)
            document, problems = await report(stage, seconds=time.monotonic() - began)
            summarize(stage, document, problems)
            if silent:
                for name, found in problems.items():
                    for problem in found[:20]:
                        click.echo(f"{name}: {problem}", err=True)
            narrator.say("Stopping everything")
    return document


async def _tell(stage: Stage) -> None:
    from cli.demo import live, opening

    users = await opening.prepare_directory(stage)
    token = await opening.set_up_target(stage)
    await opening.create_job(stage, token)
    await opening.one_test_user(stage, users)
    entitled_count = await opening.assign_everyone(stage, users)
    await opening.initial_cycle(stage, entitled_count)
    await live.changes_at_rest(stage)
    await live.leavers_and_joiners(stage)
    await live.disabled_account(stage)
    await live.groups_change(stage)
    await live.rejected_users(stage)
    await live.nothing_changes(stage)
