"""``seatkeeper schema``: the mappings and scoping filters of a job, as Entra exports and imports them."""

from pathlib import Path
from typing import IO, Any

import click
import orjson

from cli.client import Client, job_argument, json_option, reason_option, why, with_console
from cli.failures import CommandFailedError
from cli.output import ago, print_json, print_table, printable


@click.group()
def schema() -> None:
    """Show, export, import and restore the synchronization schema of a job: mappings and scoping filters.

    JOB is a job's id, its beginning, or its display name; it may be left out when there is one job only.
    """


@schema.command("show")
@job_argument
@json_option
@with_console
async def show(client: Client, job: str | None, as_json: bool) -> None:
    """Show the mappings and filters of JOB that are in force."""
    job_id = await client.only_job(job)
    document = await client.get(f"/jobs/{job_id}/schema")
    if as_json:
        print_json(document)
        return
    for rule in document["synchronizationRules"]:
        for mapping in rule["objectMappings"]:
            _show_mapping(mapping)


def _show_mapping(mapping: dict[str, Any]) -> None:
    state = f"actions {mapping['flowTypes']}" if mapping["enabled"] else "not enabled"
    click.echo(printable(f"{mapping['sourceObjectName']} to {mapping['targetObjectName']} ({state})"))
    print_table(
        ("TARGET", "SOURCE", "MATCH", "APPLIED", "DEFAULT"),
        [
            (
                row["targetAttributeName"],
                _source_of(row),
                row["matchingPriority"] or "",
                "" if row["flowType"] == "Always" else row["flowType"],
                row["defaultValue"] if row["source"] else "",
            )
            for row in mapping["attributeMappings"]
        ],
        empty="Nothing is mapped.",
    )
    for kind, title in (
        ("groups", "In scope"),
        ("inputFilterGroups", "Read"),
        ("categoryFilterGroups", "Belongs here"),
    ):
        for number, group in enumerate((mapping["scope"] or {}).get(kind, ())):
            words = " and ".join(_clause(clause) for clause in group["clauses"])
            click.echo(printable(f"{title if number == 0 else '  or'} {group['name'] or 'filter'}: {words}"))
    click.echo()


def _source_of(row: dict[str, Any]) -> str:
    source = row["source"]
    if source is None:
        return f'"{row["defaultValue"]}"' if row["defaultValue"] else ""
    return str(source["expression"] or f"[{source['name']}]")


def _clause(clause: dict[str, Any]) -> str:
    return " ".join((clause["sourceOperandName"], clause["operatorName"], *clause["targetOperand"]["values"]))


@schema.command("export")
@job_argument
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not to the terminal."
)
@click.option("--version", type=click.IntRange(0), help="An earlier version; 0 is the default of the template.")
@json_option
@with_console
async def export(client: Client, job: str | None, file: Path | None, version: int | None, as_json: bool) -> None:
    """Write the schema of JOB as JSON, in the shape of Microsoft Graph; Entra and `schema import` take it."""
    job_id = await client.only_job(job)
    place = "schema" if version is None else f"schema/versions/{version}"
    document = await client.get(f"/jobs/{job_id}/{place}")
    if file is None:
        print_json(document)
        return
    _write(file, document)
    if as_json:
        print_json({"id": job_id, "file": str(file)})
    else:
        click.echo(f"Wrote {file}.")


def _write(file: Path, document: Any) -> None:
    try:
        file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise CommandFailedError(f"{file} cannot be written: {error.strerror}. Name another file.") from None


@schema.command("import")
@job_argument
@click.option(
    "--file",
    type=click.File("rb"),
    required=True,
    help="A schema as Entra or `schema export` writes it; - reads standard input.",
)
@click.option("--check", is_flag=True, help="Only look through it; nothing is saved.")
@click.option("--preview", help="Id of the preview that showed it; anything else than what was shown is refused.")
@click.option(
    "--if-version",
    type=click.IntRange(0),
    help="The version that it was made from; when another is in force by now, nothing is saved.",
)
@reason_option
@json_option
@with_console
async def import_(
    client: Client,
    job: str | None,
    *,
    file: IO[bytes],
    check: bool,
    preview: str | None,
    if_version: int | None,
    reason: str,
    as_json: bool,
) -> None:
    """Save the schema in a file for JOB; a new initial cycle follows. Exit status 1 when something in it cannot be done."""
    job_id = await client.only_job(job)
    try:
        document = orjson.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise CommandFailedError(f"{file.name} is not JSON: {error}") from None
    query = {"validateOnly": "true"} if check else {"preview": preview} if preview else {}
    headers = why(reason) | ({} if if_version is None else {"If-Match": f'"{if_version}"'})
    saved = await client.put(f"/jobs/{job_id}/schema", document, headers=headers, **query)
    if as_json:
        print_json(saved)
        return
    for warning in saved["warnings"]:
        click.echo(f"Warning: {warning['field']}: {warning['message']}", err=True)
    if check:
        click.echo("Nothing is wrong with it. Nothing was saved.")
    else:
        _say(saved)


@schema.command("versions")
@job_argument
@json_option
@with_console
async def versions(client: Client, job: str | None, as_json: bool) -> None:
    """List the versions of the schema of JOB, the one in force first."""
    value = (await client.get(f"/jobs/{await client.only_job(job)}/schema/versions"))["value"]
    if as_json:
        print_json(value)
        return
    print_table(
        ("VERSION", "", "SAVED", "BY", "WHAT", "REASON"),
        [
            (
                item["schemaVersion"],
                "in force" if item["inForce"] else "",
                ago(item["savedAt"]) if item["savedAt"] else "",
                item["savedBy"],
                _what(item),
                item["reason"],
            )
            for item in value
        ],
        empty="There is no version.",
    )


def _what(item: dict[str, Any]) -> str:
    if item["restoredFrom"]:
        return f"version {item['restoredFrom']} restored"
    return "default of the template" if item["templateDefault"] else "saved"


@schema.command("restore")
@job_argument
@click.option("--version", type=click.IntRange(0), help="Which version  [default: the default of the template]")
@reason_option
@json_option
@with_console
async def restore(client: Client, job: str | None, version: int | None, reason: str, as_json: bool) -> None:
    """Put an earlier version of the schema of JOB in force, or the default of its template; a new initial cycle follows."""
    path = f"/jobs/{await client.only_job(job)}/schema/versions/{version or 0}/restore"
    saved = await client.request("POST", path, headers=why(reason))
    if as_json:
        print_json(saved)
    else:
        _say(saved)


def _say(saved: dict[str, Any]) -> None:
    click.echo(
        f"Version {saved['schemaVersion']} is in force. If that is a new one, the next cycle is an initial cycle."
    )
