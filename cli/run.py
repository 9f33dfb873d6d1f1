"""``seatkeeper run SERVICE``: one service, configured by environment variables only."""

import importlib
import sys

import click

SERVICES = ("assignment-watcher", "diff", "license-allocator", "scim-writer", "notifier", "console")


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def run(service: str) -> None:
    """Run one SERVICE until SIGTERM or Ctrl-C.

    Everything is set by environment variables; see .env.example. Exit status 78 means that the service cannot start as configured.
    """
    from shared.runtime.errors import StartRefusedError
    from shared.runtime.service import EXIT_CONFIG
    from shared.runtime.service import run as run_service

    package = f"services.{service.replace('-', '_')}"
    try:
        settings = importlib.import_module(f"{package}.settings").ServiceSettings.from_environment()
        built = importlib.import_module(f"{package}.app").build(settings)
    except StartRefusedError as refusal:
        click.echo(f"seatkeeper {service}: {refusal}", err=True)
        sys.exit(EXIT_CONFIG)
    sys.exit(run_service(built))
