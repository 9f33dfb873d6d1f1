"""``seatkeeper jobs``, ``test-connection``, ``start``, ``pause``, ``restart``."""

import sys
from typing import IO, Any

import click
import orjson

from cli.client import Client, job_option, json_option, reason_option, why, with_console
from cli.failures import CommandFailedError
from cli.output import print_json, print_table, with_advice


@click.group()
def jobs() -> None:
    """List, create, show, change and delete synchronization jobs."""


@jobs.command("list")
@json_option
@with_console
async def list_jobs(client: Client, as_json: bool) -> None:
    """List every job."""
    value = (await client.get("/jobs"))["value"]
    if as_json:
        print_json(value)
        return
    print_table(
        ("ID", "NAME", "STATUS", "TARGET"),
        [
            (
                job["id"],
                job["displayName"],
                job["status"]["state"],
                job["target"]["tenantUrl"],
            )
            for job in value
        ],
        empty="There is no job yet. Create one with: seatkeeper jobs create definition.json",
    )


@jobs.command("create")
@click.argument("file", type=click.File("rb"))
@json_option
@with_console
async def create(client: Client, file: IO[bytes], as_json: bool) -> None:
    """Create a job from FILE, a JSON definition (- reads standard input)."""
    created = await client.post("/jobs", _definition(file))
    if as_json:
        print_json(created)
    else:
        click.echo(f"Created job {created['id']}. Next: seatkeeper secrets, then seatkeeper test-connection.")


@jobs.command("update")
@click.argument("file", type=click.File("rb"))
@job_option
@click.option("--preview", help="Id of the preview that showed it; anything else than what was shown is refused.")
@reason_option
@json_option
@with_console
async def update(
    client: Client, file: IO[bytes], job: str | None, *, preview: str | None, reason: str, as_json: bool
) -> None:
    """Change a job by FILE, a JSON merge patch (RFC 7396; - reads standard input).

    What it names is changed, null brings the default back, and everything else stays.
    """
    patch = _definition(file)
    job_id = await client.only_job(job)
    query = {"preview": preview} if preview else None
    changed = await client.request("PATCH", f"/jobs/{job_id}", patch, query=query, headers=why(reason))
    if as_json:
        print_json(changed)
    else:
        click.echo(f"Job {job_id} is changed. Look at it with: seatkeeper jobs show")


@jobs.command("delete")
@job_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@reason_option
@json_option
@with_console
async def delete(client: Client, job: str | None, *, yes: bool, reason: str, as_json: bool) -> None:
    """Delete a job. Accounts at the target stay as they are; what was noted about its users is erased."""
    job_id = await client.only_job(job)
    if not (yes or click.confirm(f"Delete job {job_id}? The accounts at its target stay as they are", err=True)):
        raise CommandFailedError("Nothing was deleted.")
    await client.request("DELETE", f"/jobs/{job_id}", headers=why(reason))
    if as_json:
        print_json({"id": job_id, "ok": True})
    else:
        click.echo(f"Job {job_id} is deleted.")


def _definition(file: IO[bytes]) -> Any:
    try:
        return orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise CommandFailedError(f"{file.name} is not JSON: {error}") from None


@jobs.command("show")
@job_option
@json_option
@with_console
async def show(client: Client, job: str | None, as_json: bool) -> None:
    """Show the definition of a job and where it stands."""
    value = await client.get(f"/jobs/{await client.only_job(job)}")
    if as_json:
        print_json(value)
        return
    rows = [("id", value["id"]), ("display name", value["displayName"]), ("template", value["template"])]
    source = value["source"]
    how = source.get("credential") or source.get("path", "")
    rows += [("source", f"{source['kind']}, {how}")]
    rows += [("status", value["status"]["state"]), ("Tenant URL", value["target"]["tenantUrl"])]
    rows += [
        ("interval", value["settings"]["interval"]),
        ("Notification Email", value["notifications"]["email"]),
    ]
    for name, secret in value["secrets"].items():
        rows.append((name, _saved(secret)))
    print_table(("", ""), rows, empty="")


def _saved(secret: dict[str, Any]) -> str:
    if not secret["set"]:
        return "not set"
    thumbprint = f", thumbprint {secret['thumbprint']}" if secret.get("thumbprint") else ""
    expires = f", expires {secret['expiresAt'][:10]}" if secret["expiresAt"] else ""
    return f"saved, fingerprint {secret['fingerprint']}{thumbprint}{expires}"


@click.command("test-connection")
@job_option
@json_option
@with_console
async def test_connection(client: Client, job: str | None, as_json: bool) -> None:
    """Check source and target with the saved credentials. Exit status 1 when one of them refuses."""
    result = await client.post(f"/jobs/{await client.only_job(job)}/validateCredentials")
    if as_json:
        print_json(result)
    else:
        for check in result["checks"]:
            verdict = "not tested" if not check["tested"] else "ok" if check["ok"] else "FAILED"
            click.echo(f"{check['name']}: {verdict}. {with_advice(check['message'], check.get('advice'))}")
    if not result["ok"]:
        sys.exit(1)


def _verb(name: str, done: str, text: str) -> click.Command:
    @click.command(name, help=text)
    @job_option
    @json_option
    @with_console
    async def command(client: Client, job: str | None, as_json: bool) -> None:
        job_id = await client.only_job(job)
        await client.post(f"/jobs/{job_id}/{name}")
        if as_json:
            print_json({"id": job_id, "ok": True})
        else:
            click.echo(done)

    return command


start = _verb("start", "Provisioning is On.", "Set the provisioning status of a job to On.")
pause = _verb(
    "pause", "Provisioning is Off; a running cycle ends first.", "Set the provisioning status of a job to Off."
)


@click.command()
@click.argument("name", metavar="[JOB]", required=False)
@job_option
@click.option(
    "--reset-scope",
    default="",
    help="What is forgotten: Full, or some of Watermark, Escrows, QuarantineState, ConnectorDataStore, ForceDeletes, separated "
    "by commas  [default: Watermark,Escrows,QuarantineState]",
)
@json_option
@with_console
async def restart(client: Client, name: str | None, job: str | None, reset_scope: str, as_json: bool) -> None:
    """Restart JOB: forget how far it was read and what failed; the next cycle is an initial cycle.

    Links are kept unless the scope is Full. ForceDeletes approves every held removal of the deletion guard.
    """
    job_id = await client.only_job(name or job)
    await client.post(f"/jobs/{job_id}/restart", {"criteria": {"resetScope": reset_scope}})
    if as_json:
        print_json({"id": job_id, "ok": True})
    else:
        click.echo("Restart asked for; what it forgets is forgotten within seconds.")
