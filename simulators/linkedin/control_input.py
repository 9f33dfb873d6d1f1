"""The input of the control plane, checked by hand: every refusal names the field."""

from typing import Any, Final

import orjson

from simulators.linkedin.faults import COMMON, KINDS

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "latency": ("milliseconds",),
    "throttle": ("requestsPerSecond",),
    "status": ("status",),
    "stall": ("seconds",),
    "staleFilter": ("seconds",),
}
_NUMBERS: Final = frozenset({"milliseconds", "jitterMilliseconds", "requestsPerSecond", "burst", "seconds"})
_TEXTS: Final = frozenset({"userNameContains", "scimType", "detail"})
_METHODS: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")


class InputError(ValueError):
    """Input that cannot be used; `field` names what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def json_object(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; InputError "body" when it is none."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise InputError("body", "Must be a JSON object.")
    return content


def text(content: dict[str, Any], field: str, *, needed: bool = True) -> str:
    """A string; "" for one that may be missing and is."""
    value = content.get(field)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value:
        raise InputError(field, "Must be a string that is not empty.")
    return value


def flag(content: dict[str, Any], field: str, default: bool) -> bool:
    """A boolean, or `default` when it is missing."""
    value = content.get(field, default)
    if not isinstance(value, bool):
        raise InputError(field, "Must be true or false.")
    return value


def whole(content: dict[str, Any], field: str, *, least: int = 0) -> int | None:
    """A whole number of at least `least`, or None when it is missing."""
    value = content.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(field, f"Must be a whole number, {least} or more.")
    return value


def only(content: dict[str, Any], allowed: frozenset[str]) -> None:
    """InputError that names the first key that is not `allowed`."""
    for field in content:
        if field not in allowed:
            raise InputError(field, f"There is no field of this name here; there are {', '.join(sorted(allowed))}.")


def fault(content: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments of `Faults.add` from the body of `POST /_sim/faults`."""
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError("kind", f"Must be one of {', '.join(KINDS)}.")
    only(content, COMMON | KINDS[kind])
    for field in _NEEDED.get(kind, ()):
        if field not in content:
            raise InputError(field, f"A fault of kind {kind} needs it.")
    if kind == "reject" and "externalIds" not in content and "userNameContains" not in content:
        raise InputError("externalIds", "A fault of kind reject needs externalIds or userNameContains.")
    options = {field: value for field, value in content.items() if field not in COMMON}
    for field, value in options.items():
        _option(field, value)
    if content.get("method") is not None and content["method"] not in _METHODS:
        raise InputError("method", f"Must be one of {', '.join(_METHODS)}.")
    if content.get("resource") not in (None, "Users", "Groups"):
        raise InputError("resource", "Must be Users or Groups.")
    probability = content.get("probability", 1.0)
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 < probability <= 1:
        raise InputError("probability", "Must be a number above 0 and at most 1.")
    return {
        "kind": kind,
        "options": options,
        "method": content.get("method"),
        "resource": content.get("resource"),
        "times": whole(content, "times", least=1),
        "probability": float(probability),
    }


def _option(field: str, value: object) -> None:
    if field in _NUMBERS:
        least = 1 if field == "burst" else 0
        if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
            raise InputError(field, f"Must be a number, {least} or more.")
        if field == "requestsPerSecond" and value == 0:
            raise InputError(field, "Must be above 0.")
    elif field == "status":
        if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
            raise InputError(field, "Must be an HTTP status from 200 to 599.")
    elif field in _TEXTS:
        if not isinstance(value, str) or not value:
            raise InputError(field, "Must be a string that is not empty.")
    elif field == "externalIds":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(field, "Must be an array of strings.")
    elif field == "when":
        if value not in ("before", "after"):
            raise InputError(field, "Must be before or after.")
    elif field == "retryAfter":
        _retry_after(value)


def _retry_after(value: object) -> None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0):
        return
    if isinstance(value, str):
        head, _, seconds = value.partition(":")
        if value in ("auto", "date") or (head == "date" and seconds.replace(".", "", 1).isdigit()):
            return
        if value.replace(".", "", 1).isdigit():
            return
    raise InputError("retryAfter", "Must be seconds, such as 1 or 0.5, or auto, date, or date:SECONDS.")
