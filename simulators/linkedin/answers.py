"""What an operation of the SCIM endpoint answers, before it becomes an HTTP response."""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from simulators.linkedin.attributes import LIST_RESPONSE

_LIST_HEAD: Final = (
    b'{"schemas":["' + LIST_RESPONSE.encode() + b'"],"totalResults":%d,"itemsPerPage":%d,"startIndex":%d,"Resources":['
)


@dataclass(slots=True, kw_only=True)
class Answer:
    """A status, the bytes of the body, headers beyond the media type, whom the request was about, and how many members it named.

    `committed` says that the store was asked to change and agreed; faults that commit first look at it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    external_id: str | None = None
    resource_id: str | None = None
    members: int = 0
    committed: bool = False


def listing(resources: list[bytes], *, total: int | None = None, start: int = 1) -> bytes:
    """A ListResponse (RFC 7644 section 3.4.2) of resources that are serialised already."""
    head = _LIST_HEAD % (len(resources) if total is None else total, len(resources), start)
    return head + b",".join(resources) + b"]}"


def selected(body: bytes, query: dict[str, str]) -> bytes:
    """`body` with `attributes` or `excludedAttributes` of the query applied (RFC 7644 section 3.9)."""
    wanted, unwanted = query.get("attributes"), query.get("excludedAttributes")
    if not wanted and not unwanted:
        return body
    document: dict[str, Any] = orjson.loads(body)
    if wanted:
        kept: dict[str, Any] = {name: document[name] for name in ("schemas", "id") if name in document}
        for path in wanted.split(","):
            _copy(document, kept, path.strip())
        document = kept
    else:
        for path in (unwanted or "").split(","):
            _drop(document, path.strip())
    return orjson.dumps(document)


def _locate(document: dict[str, Any], path: str) -> list[str]:
    """The keys that lead to `path`, as spelled in the document; empty when it is not there."""
    keys: list[str] = []
    here: Any = document
    rest = path
    while rest and isinstance(here, dict):
        found = None
        for key in here:
            if rest.lower() == key.lower() or rest.lower().startswith((key.lower() + ".", key.lower() + ":")):
                found = key if found is None or len(key) > len(found) else found
        if found is None:
            colon = rest.rfind(":")
            if not keys and colon > 0:
                rest = rest[colon + 1 :]
                continue
            return []
        keys.append(found)
        rest = rest[len(found) + 1 :]
        here = here[found]
    if rest and isinstance(here, list):
        keys.append(rest)
    return keys


def _copy(document: dict[str, Any], kept: dict[str, Any], path: str) -> None:
    keys = _locate(document, path)
    if not keys:
        return
    first = document[keys[0]]
    if len(keys) == 1:
        kept[keys[0]] = first
    elif isinstance(first, list):
        items = kept.setdefault(keys[0], [{} for _ in first])
        for item, source in zip(items, first, strict=True):
            item.update({key: value for key, value in source.items() if key.lower() == keys[1].lower()})
    else:
        inner = kept.setdefault(keys[0], {})
        _copy(first, inner, ".".join(keys[1:]))


def _drop(document: dict[str, Any], path: str) -> None:
    keys = _locate(document, path)
    if not keys or keys[0] in ("id", "schemas"):
        return
    first = document[keys[0]]
    if len(keys) == 1:
        del document[keys[0]]
    elif isinstance(first, list):
        document[keys[0]] = [
            {key: value for key, value in item.items() if key.lower() != keys[1].lower()} for item in first
        ]
    else:
        _drop(first, ".".join(keys[1:]))
