"""``seatkeeper logs``: the provisioning log."""

import click

from cli.client import Client, job_option, json_option, with_console
from cli.output import print_json, print_table


@click.command()
@job_option
@click.option("--user", help="Only this directory object id.")
@click.option("--status", type=click.Choice(["success", "failure", "skipped", "warning"]), help="Only this status.")
@click.option(
    "--action", type=click.Choice(["create", "update", "disable", "delete", "other"]), help="Only this action."
)
@click.option("--top", type=click.IntRange(1, 500), default=50, show_default=True, help="How many, the newest first.")
@json_option
@with_console
async def logs(
    client: Client, job: str | None, user: str | None, status: str | None, action: str | None, top: int, as_json: bool
) -> None:
    """Show what was done to whom, the newest first."""
    clauses = [f"jobId eq '{await client.only_job(job)}'"]
    clauses += [f"sourceIdentity/id eq '{user}'"] if user else []
    clauses += [f"provisioningAction eq '{action}'"] if action else []
    clauses += [f"provisioningStatusInfo/status eq '{status}'"] if status else []
    query = {"$filter": " and ".join(clauses), "$top": str(top)}
    value = (await client.get("/auditLogs/provisioning", **query))["value"]
    if as_json:
        print_json(value)
        return
    print_table(
        ("TIME", "USER", "ACTION", "STATUS", "CODE", "WHAT TO DO"),
        [
            (
                record["activityDateTime"][:19],
                record["sourceIdentity"]["id"],
                record["provisioningAction"],
                record["provisioningStatusInfo"]["status"],
                (record["provisioningStatusInfo"].get("errorInformation") or {}).get("errorCode"),
                (record["provisioningStatusInfo"].get("errorInformation") or {}).get("recommendedAction"),
            )
            for record in value
        ],
        empty="Nothing has been provisioned yet.",
    )
