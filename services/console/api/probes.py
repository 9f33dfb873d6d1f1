"""/livez, /readyz and /metrics on console's own port."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.console.api.access import frame_of
from services.console.api.problems import Json
from shared.runtime import probes

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez(request: Request) -> Response:
    """Answer whether every loop moves."""
    status, body = probes.livez(frame_of(request).health)
    return Json(body, status_code=status)


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Answer whether the service has started and waits for nothing."""
    status, body = probes.readyz(frame_of(request).health)
    return Json(body, status_code=status)


@router.get("/metrics")
async def metrics(_: Request) -> Response:
    """Answer the metrics of this process in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
