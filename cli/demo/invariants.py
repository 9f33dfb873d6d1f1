"""The guarantees, computed from evidence. Each returns what contradicts it; nothing means that it holds."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from cli.demo.evidence import Evidence

RESTING = {"provisioned", "waiting", "failed", "disabled", "skipped"}
LIVE = {"reserved", "granted"}


def entitled(user: Mapping[str, object]) -> bool:
    """Return whether the directory says that this user is to have an active account."""
    properties = user["properties"]
    assert isinstance(properties, dict)
    return (
        bool(user["assigned"] and user["roles"])
        and user["state"] == "live"
        and properties.get("accountEnabled") is not False
    )


def nothing_lost(evidence: Evidence) -> Iterator[str]:
    """I1: each accepted assignment ends in exactly one of provisioned, waiting, skipped, failed, disabled; and that is true."""
    for object_id, user in evidence.truth.items():
        person = evidence.people.get(object_id)
        account = evidence.accounts.get(object_id)
        if person is None:
            if user["assigned"]:
                yield f"{object_id} is assigned, and diff has never heard of it"
            continue
        status = person["status"]
        if status not in RESTING:
            yield f"{object_id} is still {status}"
        active = bool(account and account["active"])
        if entitled(user) and status not in {"provisioned", "waiting", "failed"}:
            yield f"{object_id} is entitled and yet {status}"
        if not entitled(user) and (active or status in {"provisioned", "waiting"}):
            yield f"{object_id} is not entitled and yet {status}, active at the target: {active}"
        if status == "provisioned" and not active:
            yield f"{object_id} is called provisioned and has no active account"
        if status == "waiting" and (active or evidence.licenses[object_id]["state"] != "waiting"):
            yield f"{object_id} is called waiting and is not in the waiting line alone"
    for object_id in evidence.accounts.keys() - evidence.people.keys():
        yield f"{object_id} has an account and was never asked for"


def never_over_issued(evidence: Evidence) -> Iterator[str]:
    """I2: no double license and no over-issue, at every commit."""
    holders: set[str] = set()
    for row in evidence.license_history:
        if row["to_state"] in LIVE and row["from_state"] not in LIVE:
            if row["object_id"] in holders:
                yield f"{row['object_id']} got a second license"
            holders.add(row["object_id"])
        elif row["to_state"] not in LIVE:
            holders.discard(row["object_id"])
        if len(holders) > evidence.pool["capacity"]:
            yield f"{len(holders)} licenses were out with a capacity of {evidence.pool['capacity']}"
    live = {object_id for object_id, row in evidence.licenses.items() if row["state"] in LIVE}
    if live != holders or len(live) != evidence.pool["in_use"]:
        yield f"the pool counts {evidence.pool['in_use']}, the ledger {len(live)}, its history {len(holders)}"
    if evidence.target["licensesInUse"] > evidence.pool["capacity"]:
        yield f"the target has {evidence.target['licensesInUse']} licenses in use"


def first_come_first_served(evidence: Evidence) -> Iterator[str]:
    """I3: whoever gets a license has the lowest ticket of all who wait at that moment."""
    waiting: dict[str, int] = {}
    for row in evidence.license_history:
        gets = row["to_state"] in LIVE and row["from_state"] not in LIVE
        if row["to_state"] == "waiting":
            waiting[row["object_id"]] = row["ticket"]
            continue
        waiting.pop(row["object_id"], None)
        if gets and waiting and min(waiting.values()) < row["ticket"]:
            yield f"ticket {row['ticket']} was served before {min(waiting.values())}"


def one_account(evidence: Evidence) -> Iterator[str]:
    """I5: one account for each user at the target."""
    if evidence.target["duplicates"]:
        yield f"{evidence.target['duplicates']} accounts are double"


def one_mail(evidence: Evidence) -> Iterator[str]:
    """I6: at most one mail for each event."""
    for message_id, count in Counter(mail["messageId"] for mail in evidence.mails).items():
        if count > 1:
            yield f"mail {message_id} came {count} times"
    # Nobody who failed in this story recovers from it, so nobody's failure is a second event.
    named = Counter(
        word for mail in evidence.mails for word in set((mail["text"] or "").split()) & evidence.people.keys()
    )
    for object_id, count in named.items():
        if count > 1:
            yield f"{object_id} was mailed {count} times"


def converged(evidence: Evidence, *, quiet_writes: int) -> Iterator[str]:
    """I7: no lag, empty outboxes, and a further pass writes nothing."""
    if evidence.lag:
        yield f"{evidence.lag} records are not handled"
    if evidence.outbox_rows:
        yield f"{evidence.outbox_rows} records are not published"
    if evidence.dead_letters:
        yield f"{evidence.dead_letters} messages were dead-lettered"
    if quiet_writes:
        yield f"a cycle without changes wrote {quiet_writes} times to the target"


def every_change_has_its_event(evidence: Evidence) -> Iterator[str]:
    """I8: at least one event a change, stable ids, no gap for any key; and the compacted topic equals the state."""
    sequences: dict[str, list[int]] = defaultdict(list)
    ids: dict[tuple[str, int], str] = {}
    for event in evidence.events:
        place = (event["objectId"], event["sequence"])
        if ids.setdefault(place, event["ceId"]) != event["ceId"]:
            yield f"event {place} came with two ids"
        if not sequences[place[0]] or sequences[place[0]][-1] < place[1]:
            sequences[place[0]].append(place[1])
    for object_id, person in evidence.people.items():
        expected = list(range(1, person["event_sequence"] + 1))
        if sequences.get(object_id, []) != expected:
            yield f"{object_id} has the events {sequences.get(object_id, [])} and should have 1 to {person['event_sequence']}"
        if expected and evidence.users.get(object_id, {}).get("status") != person["status"]:
            yield f"{object_id} is {person['status']}, and the public topic says otherwise"
