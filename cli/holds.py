"""``seatkeeper holds``: removals that a guard holds until an operator approves or rejects them."""

from typing import Any
from uuid import uuid4

import click

from cli.client import Client, job_argument, json_option, with_console
from cli.failures import CommandFailedError
from cli.output import ago, print_json, print_table


@click.group()
def holds() -> None:
    """List, approve and reject removals that are held.

    JOB is a job's id, its beginning, or its display name. HOLD is a hold's id or its beginning; it may be left out when one waits only.
    """


@holds.command("list")
@job_argument
@click.option(
    "--top", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, those that wait first."
)
@json_option
@with_console
async def list_holds(client: Client, job: str | None, top: int, as_json: bool) -> None:
    """List the held removals of JOB, those that wait for a decision first."""
    value = (await client.get(f"/jobs/{await client.only_job(job)}/holds", limit=str(top)))["value"]
    if as_json:
        print_json(value)
        return
    print_table(
        ("HOLD", "STATE", "REMOVALS", "HELD", "WHO", "WHY", "DETAIL"),
        [
            (
                hold["id"],
                state_of(hold),
                f"{hold['removals']:,} of {hold['active']:,}",
                ago(hold["heldAt"]),
                who(hold["objectIds"], hold["removals"]),
                hold["description"],
                hold["detail"],
            )
            for hold in value
        ],
        empty="No removals are held.",
    )


def who(object_ids: list[str], removals: int) -> str:
    """Return the ids of the first three in a hold, and how many more there are; ``--json`` shows all that are known."""
    named = ", ".join(object_ids[:3])
    more = removals - len(object_ids[:3])
    return f"{named} and {more:,} more" if named and more > 0 else named


def state_of(hold: dict[str, Any]) -> str:
    """Return where a hold stands, with who decided and why."""
    if asked := hold["requested"]:
        return f"{hold['state']}, {asked['decision']} asked for by {asked['by']}"
    by = f" by {hold['decidedBy']}" if hold["decidedBy"] else ""
    why = f": {hold['decisionReason']}" if hold["decisionReason"] else ""
    return f"{hold['state']}{by}{why}"


@holds.command("approve")
@job_argument
@click.argument("hold", required=False)
@click.option("--reason", required=True, help="Why these people may be removed; kept in the audit log.")
@json_option
@with_console
async def approve(client: Client, job: str | None, hold: str | None, reason: str, as_json: bool) -> None:
    """Let the removals of HOLD out, once. Exit status 1 when it is no longer held."""
    decided = await _decide(client, job, hold, "approve", reason)
    if as_json:
        print_json(decided)
    else:
        click.echo(
            f"Approval asked for: {decided['removals']:,} users and groups are removed within seconds while the job runs."
        )


@holds.command("reject")
@job_argument
@click.argument("hold", required=False)
@click.option("--reason", default="", help="Why not; kept in the audit log.")
@json_option
@with_console
async def reject(client: Client, job: str | None, hold: str | None, reason: str, as_json: bool) -> None:
    """Throw the removals of HOLD away: nobody in it is removed. Exit status 1 when it is no longer held."""
    decided = await _decide(client, job, hold, "reject", reason)
    if as_json:
        print_json(decided)
    else:
        click.echo(f"Rejection asked for: none of the {decided['removals']:,} users and groups is removed.")


async def _decide(client: Client, job: str | None, hold: str | None, decision: str, reason: str) -> Any:
    job_id = await client.only_job(job)
    known = (await client.get(f"/jobs/{job_id}/holds", limit="500"))["value"]
    hold_id = chosen(known, hold)
    return await client.request(
        "POST",
        f"/jobs/{job_id}/holds/{hold_id}/{decision}",
        {"reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )


def chosen(known: list[dict[str, Any]], hold: str | None) -> str:
    """Return the id of the hold that is meant: by its id or its beginning, or the only one that waits.

    Raises ``CommandFailedError`` with those that there are.
    """
    if hold is None:
        found = [item["id"] for item in known if item["state"] == "held"]
        if not found:
            raise CommandFailedError("No removals are held: there is nothing to decide.")
    else:
        found = [item["id"] for item in known if item["id"] == hold] or [
            item["id"] for item in known if item["id"].startswith(hold)
        ]
    if len(found) == 1:
        return str(found[0])
    ids = ", ".join(found or [item["id"] for item in known]) or "none"
    raise CommandFailedError(
        f"Say which hold you mean. They are: {ids}." if found else f"There is no such hold. Known holds: {ids}."
    )
