"""What a fault makes of a page that was right."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.faults import Fault
from simulators.graph.pages import Page

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

_UUID = re.compile(rb"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
STRANGER = "0f0f0f0f-0000-4000-8000-00000000000f"
"""The id of what "unknownType" adds."""


def upper_ids(body: bytes) -> bytes:
    """The same JSON with every object id in upper case."""
    return _UUID.sub(lambda found: found[0].upper(), body)


def distort(fault: Fault, page: Page, following: Callable[[], Page], sim: "Simulation") -> Page:
    """The page as a page fault lets it be seen; ``following`` makes the page behind its nextLink."""
    match fault.kind:
        case "loop":
            page.next_link, page.delta_link = page.again(), None
        case "foreignLink":
            page.next_link = _foreign(fault, page.next_link)
            page.delta_link = _foreign(fault, page.delta_link)
        case "dropPage" if page.next_link is not None:
            return following()
        case "dropPage":
            page.rows = []
        case "lostChange":
            lost = set(sim.faults.random.sample(range(len(page.rows)), min(fault.count, len(page.rows))))
            page.rows = [row for place, row in enumerate(page.rows) if place not in lost]
        case "replay":
            page.rows = [*page.rows, *(page.replay(fault.count) if page.replay else ())]
        case "duplicate":
            page.rows = [*page.rows, *page.rows[: fault.count]]
        case "deadNextLink" if page.next_link is not None:
            sim.tokens.kill(page.next_link.rpartition("$skiptoken=")[2])
        case "wrongContext":
            page.context = page.context.partition("#")[0] + "#directoryObjects/$entity"
        case "unknownProperties":
            page.rows = [_with_unknown_properties(row) for row in page.rows]
        case "unknownType":
            page.rows = [strange for row in page.rows for strange in _with_unknown_type(row)]
        case "empty":
            _empty(page)
    return page


def _empty(page: Page) -> None:
    if page.delta_link is not None or page.tracked:
        # An empty delta page with a deltaLink would lose what it should have carried: give the page again.
        page.rows, page.next_link, page.delta_link = [], page.again(), None
    else:
        page.rows, page.next_link = [], None


def _foreign(fault: Fault, link: str | None) -> str | None:
    return None if link is None else fault.origin + "/" + link.split("/", 3)[3]


def _with_unknown_properties(row: bytes) -> bytes:
    record: dict[str, Any] = orjson.loads(row)
    return orjson.dumps(
        {"@odata.etag": 'W/"1"', "@simulated.annotation": {"deep": [1, None]}, **record, "laterProperty": {"a": [True]}}
    )


def _with_unknown_type(row: bytes) -> list[bytes]:
    """The row and what a later version of Graph might add to it."""
    record: dict[str, Any] = orjson.loads(row)
    stranger = {"@odata.type": "#microsoft.graph.laterObject", "id": STRANGER}
    if "members@delta" in record:
        return [orjson.dumps({**record, "members@delta": [stranger, *record["members@delta"]]})]
    if "principalType" in record:
        later = {"id": record["id"] + "-later", "principalType": "LaterPrincipal", "principalId": STRANGER}
        return [row, orjson.dumps({**record, **later})]
    return [row, orjson.dumps(stranger)] if "@odata.type" in record else [row]
