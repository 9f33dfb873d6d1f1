"""Structured logs: one JSON object a line on standard error; text for people, fields for machines."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logging(service: str, level: str) -> None:
    """Send the logs of this process, libraries included, to standard error as JSON."""
    processors: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_values,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their information is per request or per rebalance, and aiokafka logs an error for each try while a broker is away:
    # the frame says that once, with a reason.
    for name, least in {
        "aiokafka": "CRITICAL",
        "faststream": "WARNING",
        "asyncio": "ERROR",
        "uvicorn.access": "WARNING",
    }.items():
        logging.getLogger(name).setLevel(least)
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _exception_without_values(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep where an exception came from, not its text: a driver's text can quote a row, and so a person."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    elif isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if not isinstance(info, tuple) or info[0] is None:
        return event
    kind, _error, traceback = info
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    event["exception"] = kind.__name__
    event["where"] = frames[-8:]
    return event


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of one module; bind ids with ``.bind()``, never names or mail addresses."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound
