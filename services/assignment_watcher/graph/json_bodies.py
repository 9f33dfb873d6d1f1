"""Reading the JSON objects of a directory so that what was read can be kept: PostgreSQL takes neither NUL nor half a character."""

import json
from typing import Any, Final

import orjson

_NUL: Final = b"\\u0000"
_DEEPEST: Final = 200


def read_object(body: bytes) -> tuple[bytes, dict[str, Any]] | None:
    """Return the body and the JSON object in it, or nothing when it is not one (cut short, or a web page).

    NUL characters are taken out, lone surrogates replaced by U+FFFD, numbers beyond any range by null; the body that comes back is then
    another one, which says the same.
    """
    try:
        content = orjson.loads(body)
        if _NUL not in body:
            return (body, content) if isinstance(content, dict) else None
    except orjson.JSONDecodeError:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return None
    if not isinstance(content, dict):
        return None
    mended = _mended(content, 0)
    return orjson.dumps(mended), mended


def _mended(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {_mended(name, depth): _mended(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_mended(item, depth + 1) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return None
    return value
