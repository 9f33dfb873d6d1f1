"""The end of the story: one JSON document, and the same for people."""

from collections import Counter
from typing import Any

from cli.demo import invariants
from cli.demo.evidence import Evidence, gather_evidence
from cli.demo.groups import groups_in_step
from cli.demo.leaks import canaries, leaks
from cli.demo.stage import Stage

LIVE = {"reserved", "granted"}
MOST_SHOWN = 5


async def report(stage: Stage, *, seconds: float) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the document of ``--json``, and for each invariant what contradicts it."""
    job_id, notes = stage.notes.job_id, stage.notes
    evidence = await gather_evidence(stage.simulated, stage.system.servers, job_id)
    problems = {
        "I1": list(invariants.nothing_lost(evidence)),
        "I2": list(invariants.never_over_issued(evidence)),
        "I3": list(invariants.first_come_first_served(evidence)),
        "I5": list(invariants.one_account(evidence)),
        "I6": list(invariants.one_mail(evidence)),
        "I7": list(invariants.converged(evidence, quiet_writes=notes.quiet_writes)),
        "I8": list(invariants.every_change_has_its_event(evidence)),
        "I9": list(
            await leaks(
                stage.supervisor.log_path("diff").parent,
                [f"{url}/metrics" for url in stage.system.http.values()],
                [*evidence.events, *evidence.users.values()],
                canaries(evidence.truth, notes.secrets),
            )
        ),
        "groups": list(groups_in_step(evidence)),
    }
    return _document(stage, evidence, problems, await _cycles(stage), seconds), problems


async def _cycles(stage: Stage) -> int:
    from cli.demo.evidence import database

    async with database(stage.system.servers) as connection:
        count: int = await connection.fetchval(
            "SELECT coalesce(max(round), 0) FROM assignment_watcher.watch WHERE job_id = $1", stage.notes.job_id
        )
    return count


def _document(
    stage: Stage, evidence: Evidence, problems: dict[str, list[str]], cycles: int, seconds: float
) -> dict[str, Any]:
    notes = stage.notes
    statuses = Counter(person["status"] for person in evidence.people.values())
    skipped = Counter(
        person["reason_code"] or "skipped" for person in evidence.people.values() if person["status"] == "skipped"
    )
    latencies = sorted(notes.latencies)
    return {
        "ok": not any(problems.values()),
        "users": {
            "directory": evidence.directory_users,
            "assigned": sum(bool(user["assigned"]) for user in evidence.truth.values()),
            **{status: statuses[status] for status in ("provisioned", "waiting", "failed", "disabled")},
            "skipped": dict(skipped),
        },
        "licenses": {
            "capacity": evidence.pool["capacity"],
            "granted": sum(row["state"] in LIVE for row in evidence.licenses.values()),
            "waiting": sum(row["state"] == "waiting" for row in evidence.licenses.values()),
        },
        "target": {
            **{
                name: evidence.target[name]
                for name in ("users", "active", "duplicates", "licensesInUse", "groups", "memberships")
            },
            "requests": {verb: evidence.target["requests"].get(verb, 0) for verb in ("GET", "POST", "PATCH", "DELETE")},
        },
        "mails": len(evidence.mails),
        "cycles": {
            "initial": {
                "seconds": round(notes.initial_seconds, 3),
                "usersPerSecond": round(notes.initial_users / max(notes.initial_seconds, 0.001), 1),
            },
            "incremental": {"count": max(cycles - 2, 0)},
        },
        "changeToTargetSeconds": {
            "n": len(latencies),
            "p50": round(percentile(latencies, 0.50), 3),
            "p99": round(percentile(latencies, 0.99), 3),
        },
        "noopCycleTargetWrites": notes.quiet_writes,
        "startupSeconds": round(notes.startup_seconds, 2),
        "seconds": round(seconds, 2),
        "processes": [
            {"name": usage.name, "rssMiB": round(usage.rss_mib, 1), "cpuSeconds": round(usage.cpu_seconds, 2)}
            for usage in stage.supervisor.usage()
        ],
        "invariants": {name: not found for name, found in problems.items()},
    }


def percentile(ordered: list[float], share: float) -> float:
    """Return the nearest-rank percentile of values in ascending order; 0 when there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def summarize(stage: Stage, document: dict[str, Any], problems: dict[str, list[str]]) -> None:
    """Tell people who is where and why, and whether the guarantees hold."""
    narrator = stage.narrator
    narrator.step("Summary")
    users, licenses, target = document["users"], document["licenses"], document["target"]
    rows = [(name, count) for name, count in users.items() if name != "skipped"]
    rows += [(f"skipped: {reason}", count) for reason, count in users["skipped"].items()]
    narrator.table(("    people", ""), [(f"    {name}", count) for name, count in rows])
    narrator.say(
        f"{licenses['granted']} of {licenses['capacity']} licenses granted, {licenses['waiting']} waiting; LinkedIn counts "
        f"{target['licensesInUse']} in use and {target['duplicates']} double accounts"
    )
    narrator.say(f"{target['groups']} groups at LinkedIn with {target['memberships']} members")
    times = document["changeToTargetSeconds"]
    narrator.say(
        f"initial cycle {document['cycles']['initial']['usersPerSecond']:.0f} users/s; one change {times['p50']:.2f} s (median), "
        f"{times['p99']:.2f} s (slowest of {times['n']}); {document['mails']} mail"
    )
    for name, found in problems.items():
        (narrator.bad if found else narrator.good)(f"{name} {TITLES[name]}")
        for problem in found[:MOST_SHOWN]:
            narrator.say(f"  {problem}")


TITLES = {
    "I1": "nothing lost: each assignment ends in exactly one state",
    "I2": "no double license, no over-issue, at every commit",
    "I3": "first come, first served",
    "I5": "one account for each user at the target",
    "I6": "at most one mail for each event",
    "I7": "converged: nothing under way, and a further cycle wrote nothing",
    "I8": "every change has its event, without a gap",
    "I9": "no secret and no personal data in logs, metrics and public topics",
    "groups": "at the target are those assigned, each with exactly its provisioned direct members",
}
