"""``seatkeeper up``: everything on this machine until Ctrl-C; started again, it goes on where it was stopped."""

import asyncio
import signal
from pathlib import Path

import click


@click.command()
@click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="SEATKEEPER_DATA_DIR", help="Where everything is kept."
)
@click.option("--simulators", is_flag=True, help="Also run a simulated Microsoft Graph, LinkedIn and mail server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line when everything is up.")
def up(data_dir: Path | None, simulators: bool, as_json: bool) -> None:
    """Run Kafka, PostgreSQL, the six services and the console until Ctrl-C.

    Nothing has to be installed. SEATKEEPER_DATABASE_URL and SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS name servers to use instead.
    """
    asyncio.run(_up(data_dir, simulators, as_json))


async def _up(data_dir: Path | None, simulators: bool, as_json: bool) -> None:
    import orjson

    from cli.system import whole_system
    from deploy.embedded import Supervisor, open_data_folder

    stop = asyncio.Event()
    main = asyncio.current_task()
    started = False

    def end() -> None:
        if started or main is None:
            stop.set()
        else:
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    try:
        with open_data_folder(data_dir) as folder:
            async with (
                Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
                whole_system(folder, supervisor, simulators=simulators, report=_say) as system,
            ):
                started = True
                simulated = system.simulators
                if as_json:
                    urls = {"console": system.console_url, "services": dict(system.http), "dataDir": str(folder.path)}
                    if simulated:
                        urls |= {
                            "graph": simulated.graph_url,
                            "linkedin": simulated.linkedin_url,
                            "mail": simulated.mail_url,
                        }
                    click.echo(orjson.dumps(urls).decode())
                else:
                    click.echo(
                        f"The console is at {system.console_url}; data and logs are in {folder.path}. Ctrl-C stops."
                    )
                    if simulated:
                        click.echo(
                            f"Simulated: Graph {simulated.graph_url}, LinkedIn {simulated.tenant_url}, mail {simulated.mail_url}"
                        )
                await stop.wait()
                _say("Stopping")
    except asyncio.CancelledError:
        raise click.Abort from None


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
