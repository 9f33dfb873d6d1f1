"""What diff costs: deciding on one core, and the service over the real Kafka and PostgreSQL.

The first figures need nothing but Python. ``--no-service`` leaves the others out.
"""

import asyncio
import json
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.decided import decided, service_figures
from benchmarks.deciding import decision_rates
from deploy.embedded import Supervisor, open_data_folder


async def measure_service(users: int) -> dict[str, Any]:
    """Return the figures of the service with so many users."""
    path = Path(tempfile.mkdtemp(prefix="seatkeeper-diff-"))
    try:
        with open_data_folder(path) as folder:
            async with (
                Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
                decided(folder, supervisor, users) as scene,
            ):
                return await service_figures(scene)
    finally:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--json", "as_json", is_flag=True, help="Print nothing but one JSON document.")
@click.option("--users", default=20_000, show_default=True, type=click.IntRange(100, 1_000_000))
@click.option("--service/--no-service", default=True, show_default=True, help="Measure the service too.")
@click.option(
    "--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1, 60), help="For each decision rate."
)
def main(*, as_json: bool, users: int, service: bool, seconds: float) -> None:
    """Measure and print."""
    figures: dict[str, Any] = dict(decision_rates(seconds))
    if service:
        figures |= asyncio.run(measure_service(users))
        figures["users"] = users
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"python -m benchmarks.diff on {platform.machine()}, Python {platform.python_version()}")
    for name, value in figures.items():
        click.echo(f"  {name:28} {value}")


if __name__ == "__main__":
    main()
