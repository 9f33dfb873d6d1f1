"""``seatkeeper preview``: what a change of schema, filter or settings would do, before it is saved."""

import asyncio
import sys
import time
from pathlib import Path
from typing import IO, Any, Final

import click
import orjson

from cli.client import Client, job_argument, json_option, with_console
from cli.failures import CommandFailedError
from cli.filter_clauses import with_filter
from cli.output import print_json, print_table, printable

NAP_SECONDS: Final = 0.5
WORDS: Final = {
    "create": "would be created",
    "update": "would be updated",
    "enable": "would be enabled again",
    "match": "would be looked for, and none created",
    "disable": "would be disabled",
    "delete": "would be deleted",
    "skip": "would be left out from now on",
    "fail": "would fail",
    "unchanged": "stay as they are",
    "outOfScope": "stay out of scope",
}


@click.command()
@job_argument
@click.option("--schema", type=click.File("rb"), help="A schema as `schema export` writes it; - reads standard input.")
@click.option("--template-default", is_flag=True, help="The default schema of the template.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CLAUSE",
    help='A scoping filter of users, such as "department EQUALS Sales", in the place of the one there is. Repeated: all have to hold.',
)
@click.option("--set", "patch", help='A change of the job as a JSON merge patch, such as {"template": "scim"}.')
@click.option(
    "--save-as", type=click.Path(path_type=Path, dir_okay=False), help="Write the previewed schema to a file."
)
@click.option(
    "--timeout", default=300.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds to wait for the plan."
)
@click.option("--top", default=20, show_default=True, type=click.IntRange(0, 20_000), help="How many rows to show.")
@click.option("--reason", default="", help="Why; kept in the audit log.")
@json_option
@with_console
async def preview(
    client: Client,
    job: str | None,
    *,
    schema: IO[bytes] | None,
    template_default: bool,
    filters: tuple[str, ...],
    patch: str | None,
    save_as: Path | None,
    timeout: float,
    top: int,
    reason: str,
    as_json: bool,
) -> None:
    """Show what a change of JOB would do to whom, from what is known: nothing is changed, and the target is not asked.

    JOB is a job's id, its beginning, or its display name. Save what was previewed with `schema import --preview ID`.
    Exit status 1 when there is no plan.
    """
    if schema is not None and template_default:
        raise CommandFailedError("Name --schema or --template-default, not both.")
    job_id = await client.only_job(job)
    body = await _asked(client, job_id, schema, template_default, filters, patch)
    if save_as is not None:
        _write(save_as, body)
    words = " ".join(reason.split())
    headers = {"X-Seatkeeper-Reason": words} if words else {}
    asked = await client.request("POST", f"/jobs/{job_id}/preview", body, headers=headers)
    made = await _made(client, job_id, asked["id"], timeout)
    if made["state"] != "done":
        raise CommandFailedError(f"There is no plan; the preview {made['state']}: {made['detail']}.")
    rows = await _rows(client, job_id, made["id"], top)
    if as_json:
        print_json({**made, "value": rows})
        return
    _show(made, rows)


async def _asked(
    client: Client,
    job_id: str,
    schema: IO[bytes] | None,
    template_default: bool,
    filters: tuple[str, ...],
    patch: str | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if schema is not None:
        body["schema"] = _json(schema.read(), schema.name)
    elif template_default:
        body["schema"] = None
    if filters:
        place = "schema/versions/0" if template_default else "schema"
        document = body.get("schema") or await client.get(f"/jobs/{job_id}/{place}")
        known = (await client.get(f"/jobs/{job_id}/schema/filterOperators"))["value"]
        body["schema"] = with_filter(document, filters, [item["name"] for item in known])
    if patch is not None:
        body["job"] = _json(patch.encode(), "--set")
    return body


def _json(content: bytes, name: str) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise CommandFailedError(f"{name} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CommandFailedError(f"{name} is not a JSON object.")
    return document


def _write(file: Path, body: dict[str, Any]) -> None:
    if not body.get("schema"):
        raise CommandFailedError("There is no schema to write: name --schema or --filter with --save-as.")
    try:
        file.write_bytes(orjson.dumps(body["schema"], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise CommandFailedError(f"{file} cannot be written: {error.strerror}. Name another file.") from None


async def _made(client: Client, job_id: str, preview_id: str, timeout: float) -> dict[str, Any]:
    until = time.monotonic() + timeout
    while True:
        found: dict[str, Any] = await client.get(f"/jobs/{job_id}/previews/{preview_id}")
        if found["state"] not in {"requested", "running"}:
            _progress("")
            return found
        if time.monotonic() > until:
            _progress("")
            raise CommandFailedError(
                f"The plan was not made within {timeout:.0f} seconds. It is being made still, as preview {preview_id}."
            )
        looked_at, expected = found["lookedAt"], found["expected"]
        _progress(f"Looking at {looked_at:,} of {expected:,} users and groups" if expected else "Waiting for diff")
        await asyncio.sleep(NAP_SECONDS)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\033[K{text}", nl=False, err=True)


async def _rows(client: Client, job_id: str, preview_id: str, top: int) -> list[Any]:
    rows: list[Any] = []
    cursor: str | None = ""
    while len(rows) < top and cursor is not None:
        query = {"limit": str(min(top - len(rows), 500))} | ({"cursor": cursor} if cursor else {})
        page = await client.get(f"/jobs/{job_id}/previews/{preview_id}/rows", **query)
        rows += page["value"]
        cursor = page["nextCursor"]
    return rows


def _show(made: dict[str, Any], rows: list[Any]) -> None:
    plan = made["plan"]
    if plan["empty"]:
        click.echo("Nothing would change.")
    print_table(
        ("", "USERS", "GROUPS"),
        [
            (words, f"{plan['users'][action]:,}", f"{plan['groups'][action]:,}")
            for action, words in WORDS.items()
            if plan["users"][action] or plan["groups"][action]
        ],
        empty="The job knows no users and no groups.",
    )
    for sentence in _remarks(plan):
        click.echo(printable(sentence))
    if rows:
        click.echo()
        print_table(
            ("", "WHO", "WHAT", "WHY"),
            [
                (
                    row["objectType"],
                    row["name"] or row["objectId"],
                    f"{row['action']}{', held' if row['held'] else ''}",
                    _why(row),
                )
                for row in rows
            ],
            empty="",
        )
        if made["rows"] > len(rows):
            click.echo(f"{made['rows'] - len(rows):,} more rows: --top {made['rows']} shows them.")
    click.echo(
        f"Preview {made['id']}, of version {made['jobVersion']} of the job; a change can be saved by it until {made['expiresAt']}."
    )


def _remarks(plan: dict[str, Any]) -> list[str]:
    removals, remarks = plan["removals"], []
    if plan["attributes"]:
        most = sorted(plan["attributes"].items(), key=lambda item: (-item[1], item[0]))
        remarks.append("Written: " + ", ".join(f"{path} ({count:,})" for path, count in most))
    if removals["held"]:
        remarks.append(
            f"{removals['held']:,} removals would be held until they are approved: {removals['heldBecause']}"
        )
    if removals["waiting"]:
        remarks.append(f"{removals['waiting']:,} removals wait already, and are not counted again.")
    if plan["errors"]:
        remarks.append(f"{plan['errors']:,} have an attribute that cannot be made; it would stay as it is.")
    if plan["inFlight"]:
        remarks.append(f"{plan['inFlight']:,} have a change under way; the plan is about what comes after it.")
    for kind, names in plan["unread"].items():
        remarks.append(
            f"Not read yet of {kind}s, and taken for empty: {', '.join(names)}. The initial cycle after the save reads them."
        )
    return remarks


def _why(row: dict[str, Any]) -> str:
    changed = "; ".join(
        f"{item['path']}: {_value(item['before'])} to {_value(item['after'])}" for item in row["attributes"]
    )
    if row["action"] in {"update", "enable"} and changed:
        return changed
    return str(row["reason"])


def _value(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()
