"""The provisioning log (Microsoft Graph, "List provisioningObjectSummary") and the log of what operators did."""

import json
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from services.console.api.access import Access, frame_of
from services.console.api.bodies import Cursor, Limit, decode_position, encode_cursor
from services.console.api.jobs import Viewer
from services.console.api.problems import FieldError, Json, invalid
from services.console.odata import MOST_CHARACTERS, FilterError, read_filter
from services.console.provisioning_log import ACTIONS, STATUSES, record_of
from services.console.store import QUERIES
from services.console.tokens import Operator, Role

router = APIRouter(prefix="/auditLogs", tags=["auditLogs"])
_PROPERTIES: Final = {
    "jobId": "job",
    "sourceIdentity/id": "person",
    "provisioningAction": "action",
    "statusInfo/status": "status",
    "provisioningStatusInfo/status": "status",
}
_KNOWN: Final = {"action": ACTIONS, "status": STATUSES}


@router.get("/provisioning")
async def list_provisioning(
    request: Request,
    _: Viewer,
    wanted: Annotated[str, Query(alias="$filter", max_length=MOST_CHARACTERS)] = "",
    top: Annotated[int, Query(alias="$top", ge=1, le=500)] = 100,
    skiptoken: Annotated[str | None, Query(alias="$skiptoken", max_length=400)] = None,
) -> Response:
    """Return the provisioning log, the newest first; ``$filter`` takes equality of jobId, sourceIdentity/id, provisioningAction and
    statusInfo/status, joined by ``and``.
    """
    before = decode_position(skiptoken, "$skiptoken")
    chosen = _chosen(wanted)
    common = (before, chosen.get("job"), chosen.get("action"), chosen.get("status"), top + 1)
    async with frame_of(request).connection() as connection:
        if "person" in chosen:
            rows = await connection.fetch(QUERIES.list_log_of_person, *common, chosen["person"])
        else:
            rows = await connection.fetch(QUERIES.list_log, *common)
    body: dict[str, Any] = {"value": [record_of(row, json.loads(row["body"])) for row in rows[:top]]}
    if len(rows) > top:
        token = encode_cursor(rows[top - 1]["position"])
        parameters = {"$top": top, "$skiptoken": token} | ({"$filter": wanted} if wanted else {})
        body["@odata.nextLink"] = f"/api/v1/auditLogs/provisioning?{urlencode(parameters)}"
    return Json(body)


def _chosen(text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        chosen = read_filter(text, _PROPERTIES)
    except FilterError as error:
        raise invalid([FieldError(field="$filter", message=str(error))]) from None
    for name, known in _KNOWN.items():
        if name in chosen and chosen[name] not in known:
            raise invalid(
                [FieldError(field="$filter", message=f"asks for an unknown {name}; known: {', '.join(known)}")]
            )
    return chosen


@router.get("/operators")
async def list_operators(
    request: Request,
    _: Annotated[Operator, Depends(Access(Role.OPERATOR))],
    job: Annotated[str | None, Query(max_length=100, pattern=r"^[A-Za-z0-9-]+$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Return what operators did, the newest first: who, what, when, and the reason they gave."""
    before = decode_position(cursor, "cursor")
    async with frame_of(request).connection() as connection:
        rows = await connection.fetch(QUERIES.list_audit, before, job, limit + 1)
    return Json(
        {
            "value": [
                {
                    "at": row["at"],
                    "operator": row["operator"],
                    "role": row["role"],
                    "action": row["action"],
                    "jobId": row["job_id"],
                    "details": json.loads(row["details"]),
                    "reason": row["reason"],
                }
                for row in rows[:limit]
            ],
            "nextCursor": encode_cursor(rows[limit - 1]["position"]) if len(rows) > limit else None,
        }
    )
