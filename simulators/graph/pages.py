"""One page of a collection or of a delta round ("Paging Microsoft Graph data in your app")."""

from collections.abc import Callable
from dataclasses import dataclass

import orjson


@dataclass(slots=True, kw_only=True)
class Page:
    """Rows as JSON bytes, and at most one link.

    ``again`` makes a link to this same page with a token of its own, for faults. ``tracked``: a delta page.
    ``applied`` is the ``Preference-Applied`` header. ``count`` is the ``@odata.count`` of a first page.
    ``replay`` gives records of the window before a delta round.
    """

    context: str
    rows: list[bytes]
    again: Callable[[], str]
    next_link: str | None = None
    delta_link: str | None = None
    tracked: bool = False
    applied: str | None = None
    count: int | None = None
    replay: Callable[[int], list[bytes]] | None = None

    def body(self) -> bytes:
        """The JSON text of the page."""
        parts = [b'{"@odata.context":', orjson.dumps(self.context)]
        if self.count is not None:
            parts.append(b',"@odata.count":%d' % self.count)
        if self.next_link is not None:
            parts += [b',"@odata.nextLink":', orjson.dumps(self.next_link)]
        if self.delta_link is not None:
            parts += [b',"@odata.deltaLink":', orjson.dumps(self.delta_link)]
        return b"".join([*parts, b',"value":[', b",".join(self.rows), b"]}"])
