"""OpenTelemetry traces (sent when OTEL_EXPORTER_OTLP_ENDPOINT is set) and the W3C trace context that messages carry."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

MOST_LINKS: Final = 64
"""Linking costs 6 µs each; a batch span points at no more than this many of its causes."""

_tracer = trace.get_tracer("seatkeeper")


def configure_tracing(service: str) -> None:
    """Send spans to the OTLP endpoint of the environment, or none at all when there is no endpoint."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    # Imported here: the exporter costs 15 MiB that a process without an endpoint need not hold.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"seatkeeper-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """Return the W3C ``traceparent`` of the current span, or nothing when no trace is running."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    causes: Sequence[str | None] = (),
    attributes: dict[str, AttributeValue] | None = None,
) -> Iterator[None]:
    """Run a block inside a span that links to the traces of its causes (``traceparent`` values)."""
    links = [link for cause in causes[:MOST_LINKS] if (link := _link(cause))]
    with _tracer.start_as_current_span(name, kind=kind, links=links, attributes=attributes):
        yield


def _link(traceparent: str | None) -> Link | None:
    parts = (traceparent or "").split("-")
    if len(parts) != 4:
        return None
    try:
        context = SpanContext(
            trace_id=int(parts[1], 16),
            span_id=int(parts[2], 16),
            is_remote=True,
            trace_flags=TraceFlags(int(parts[3], 16)),
        )
    except ValueError:
        return None
    return Link(context) if context.is_valid else None
