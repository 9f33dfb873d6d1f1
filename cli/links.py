"""``seatkeeper links``: which account at the target belongs to which user."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import click

from cli.client import Client, job_option, json_option, with_console
from cli.output import ago, print_json, print_table


@click.group()
def links() -> None:
    """List, show, repair, delete and compare links (object connections).

    OBJECT is the directory object id of a user, or the id of an account at the target.
    """


@links.command("list")
@job_option
@click.option("--source", help="Only the link of the user with this directory object id.")
@click.option("--target", help="Only the link to the account with this id.")
@click.option("--differing", is_flag=True, help="Only links that the last comparison found different or gone.")
@click.option("--top", type=click.IntRange(1, 500), default=50, show_default=True, help="How many.")
@json_option
@with_console
async def list_links(
    client: Client,
    job: str | None,
    source: str | None,
    target: str | None,
    *,
    differing: bool,
    top: int,
    as_json: bool,
) -> None:
    """List links by directory object id."""
    query = {"limit": str(top), "differing": str(differing).lower()}
    if source:
        query["sourceId"] = source
    if target:
        query["targetId"] = target
    value = await client.get(f"/jobs/{await client.only_job(job)}/objectConnections", **query)
    if as_json:
        print_json(value["value"])
        return
    print_table(
        ("USER", "NAME", "ACCOUNT", "STATUS", "CONFIRMED", "COMPARED"),
        [
            (
                link["objectId"],
                link["displayName"],
                link["targetAnchor"],
                link["status"],
                ago(link["confirmedAt"]),
                compared(link),
            )
            for link in value["value"]
        ],
        empty="There are no such links.",
    )
    counts = value["comparisons"]
    click.echo(
        f"Compared with the target: {counts['same']} equal, {counts['differs']} different, {counts['gone']} gone."
    )


def compared(link: dict[str, Any]) -> str:
    """Return what the last comparison of a link found, in words."""
    if link["comparison"] is None:
        return "never"
    found = {"same": "equal", "gone": "the account is gone"}.get(link["comparison"]) or (
        f"different: {', '.join(link['differences'])}"
    )
    return f"{found}, {ago(link['comparedAt'])}"


@links.command("show")
@click.argument("object_id", metavar="OBJECT")
@job_option
@json_option
@with_console
async def show(client: Client, object_id: str, job: str | None, as_json: bool) -> None:
    """Show one link."""
    link = await client.get(_path(await client.only_job(job), object_id))
    if as_json:
        print_json(link)
        return
    click.echo(f"User {link['objectId']} ({link['displayName'] or 'name not known'}, {link['status']})")
    click.echo(f"Account {link['targetAnchor']}, confirmed {ago(link['confirmedAt'])}, compared: {compared(link)}")
    if asked := link["requested"]:
        click.echo(f"Asked for by {asked['by']}: {asked['kind']} ({asked['reason']})")


@links.command("repair")
@click.argument("object_id", metavar="OBJECT")
@click.option("--to", "target", required=True, help="Id of the account at the target that the link is to point at.")
@click.option("--reason", required=True, help="Why; kept in the audit log.")
@job_option
@json_option
@with_console
async def repair(client: Client, object_id: str, target: str, reason: str, *, job: str | None, as_json: bool) -> None:
    """Point a link at another account, which is read before anything is written to it."""
    link = await client.request(
        "PATCH",
        _path(await client.only_job(job), object_id),
        {"targetAnchor": target, "reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )
    if as_json:
        print_json(link)
    else:
        click.echo(f"Asked for: the link of {link['objectId']} points at {target} within seconds.")


@links.command("delete")
@click.argument("object_id", metavar="OBJECT")
@click.option("--reason", required=True, help="Why; kept in the audit log.")
@job_option
@json_option
@with_console
async def delete(client: Client, object_id: str, reason: str, *, job: str | None, as_json: bool) -> None:
    """Delete a link. The account is left as it is; a user in scope is matched anew."""
    link = await client.request(
        "DELETE",
        _path(await client.only_job(job), object_id),
        {"reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )
    if as_json:
        print_json(link)
    else:
        click.echo(f"Asked for: the link of {link['objectId']} is deleted within seconds.")


@links.command("compare")
@click.argument("object_id", metavar="OBJECT", required=False)
@click.option("--reason", default="", help="Why; kept in the audit log.")
@job_option
@json_option
@with_console
async def compare(client: Client, object_id: str | None, reason: str, *, job: str | None, as_json: bool) -> None:
    """Compare one link, or all of them, with what the target holds. Whether differences are corrected says settings.driftCheck."""
    asked = await client.request(
        "POST",
        f"/jobs/{await client.only_job(job)}/objectConnections/compare",
        {"reason": reason} | ({"objectId": object_id} if object_id else {}),
        headers={"Idempotency-Key": str(uuid4())},
    )
    if as_json:
        print_json(asked)
    else:
        whose = f"the link of {asked['objectId']}" if asked["objectId"] else "every link"
        click.echo(f"Asked for: {whose} is compared while the job runs. See: seatkeeper links list --differing")


def _path(job_id: str, object_id: str) -> str:
    return f"/jobs/{job_id}/objectConnections/{quote(object_id, safe='')}"
