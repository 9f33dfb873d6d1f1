"""``seatkeeper user`` and ``seatkeeper licenses``: where one user stands, and who holds or awaits a license."""

from typing import Any
from urllib.parse import quote

import click

from cli.client import Client, job_option, json_option, with_console
from cli.output import print_json, print_table


@click.command()
@click.argument("user")
@job_option
@json_option
@with_console
async def user(client: Client, user: str, job: str | None, as_json: bool) -> None:
    """Show where USER stands and why; USER is a directory object id or a user principal name."""
    value = await client.get(f"/jobs/{await client.only_job(job)}/users/{quote(user, safe='')}")
    if as_json:
        print_json(value)
        return
    click.echo(f"{value['id']}: {value['status']}. {value.get('reason') or ''}")
    print_table(
        ("TIME", "SERVICE", "WHAT", "WHY"),
        [(entry["at"][:23], entry["service"], entry["what"], entry.get("reason")) for entry in value["timeline"]],
        empty="Nothing has happened to this user yet.",
    )


@click.command()
@click.argument("user")
@job_option
@click.option("--reason", default="", help="Why; kept in the audit log.")
@json_option
@with_console
async def retry(client: Client, user: str, job: str | None, reason: str, as_json: bool) -> None:
    """Try USER again at once, who failed; USER is a directory object id or a user principal name."""
    path = f"/jobs/{await client.only_job(job)}/users/{quote(user, safe='')}/retry"
    asked = await client.request("POST", path, None, headers={"X-Seatkeeper-Reason": reason} if reason else None)
    if as_json:
        print_json(asked)
    else:
        click.echo(f"Asked for: {asked['id']} is tried again within seconds while the job runs, if it has failed.")


def _pool(value: dict[str, Any]) -> str:
    """Return how the pool is called; a job definition may leave both names out."""
    return " of ".join(name for name in (value["licenseType"], value["applicationInstance"]) if name) or "licenses"


@click.command()
@job_option
@json_option
@with_console
async def licenses(client: Client, job: str | None, as_json: bool) -> None:
    """Show how many licenses are granted and who waits, in order."""
    value = await client.get(f"/jobs/{await client.only_job(job)}/licenses")
    if as_json:
        print_json(value)
        return
    click.echo(
        f"{_pool(value)}: {value['granted']} granted, {value['reserved']} reserved, "
        f"{value['capacity']} in all, {value['waiting']} waiting"
    )
    print_table(
        ("PLACE", "TICKET", "USER"),
        [(entry["position"], entry["ticket"], entry["id"]) for entry in value["waitingLine"]],
        empty="Nobody is waiting.",
    )
