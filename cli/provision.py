"""``seatkeeper provision``: one user, now, through the whole pipeline, each step as it happens."""

import time
from typing import Any
from uuid import uuid4

import click

from cli.client import Client, job_option, json_option, with_console
from cli.failures import CommandFailedError
from cli.output import print_json, print_table, printable

_COLOURS = {"success": "green", "warning": "yellow", "skipped": "yellow", "failure": "red"}
_LOOK_SECONDS = 1.0


@click.command()
@click.argument("user")
@job_option
@click.option("--reason", default="", help="Why; kept in the audit log.")
@click.option(
    "--wait", type=click.FloatRange(1, 300), default=30.0, show_default=True, help="Seconds to wait for the end."
)
@json_option
@with_console
async def provision(client: Client, user: str, job: str | None, reason: str, *, wait: float, as_json: bool) -> None:
    """Provision USER now: a directory object id, userPrincipalName or mail address.

    Nothing is written for a user who is out of scope, but for a disable that is due. Exit status 1 when it failed.
    """
    job_id = await client.only_job(job)
    shown = 0
    demand = await client.request(
        "POST",
        f"/jobs/{job_id}/provisionOnDemand",
        {"user": user, "reason": reason},
        query={"wait": "0"},
        headers={"Idempotency-Key": str(uuid4())},
    )
    until = time.monotonic() + wait
    while True:
        if not as_json:
            shown = _show_steps(demand, shown)
        if demand["result"] is not None or time.monotonic() > until:
            break
        path = f"/jobs/{job_id}/provisionOnDemand/{demand['requestId']}"
        before = len(demand["steps"])
        demand = await client.get(path, wait=str(_LOOK_SECONDS))
        if demand["result"] is None and demand["statusInfo"]["status"] == "pending" and _settled(demand, before):
            break
    if as_json:
        print_json(demand)
    else:
        _show_end(demand)
    if demand["result"] == "Failure":
        raise CommandFailedError(f"The user was not provisioned: {demand['statusInfo']['reason']}")


def _settled(demand: dict[str, Any], before: int) -> bool:
    """Return whether what is waited for is no matter of seconds: a license."""
    reason = demand["statusInfo"]["reason"]
    return len(demand["steps"]) == before and ("waits for a license" in reason)


def _show_steps(demand: dict[str, Any], shown: int) -> int:
    """Print the steps that are new and return how many were printed by now."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for step in demand["steps"][shown:]:
        line = Text(f"{step['status']:<8}", style=_COLOURS.get(step["status"], ""))
        line.append(f" {printable(step['title'])}: {printable(step['description'])}", style="default")
        console.print(line)
        for name, value in _details(step["details"]):
            console.print(Text(f"           {printable(name)}: {printable(value)}", style="dim"))
    return len(demand["steps"])


def _details(details: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in details.items():
        if name == "conditions":
            found += [(condition, "yes" if holds else "no") for condition, holds in value.items()]
        elif isinstance(value, dict):
            found += [(f"{name}.{key}", str(inner)) for key, inner in value.items()]
        elif value not in (None, "", [], {}):
            found.append((name, str(value)))
    return found


def _show_end(demand: dict[str, Any]) -> None:
    if demand["modifiedProperties"]:
        print_table(
            ("ATTRIBUTE", "OLD", "NEW"),
            [(item["displayName"], item["oldValue"], item["newValue"]) for item in demand["modifiedProperties"]],
            empty="",
        )
    status = demand["statusInfo"]
    click.echo(f"{demand['result'] or 'Pending'} ({demand['action']}): {printable(status['reason'])}")
    if status["recommendedAction"]:
        click.echo(printable(status["recommendedAction"]))
