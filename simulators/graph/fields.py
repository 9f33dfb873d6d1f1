"""The fields of a mutation, read one by one so that the first bad one can be named."""

import re
from typing import Any

from simulators.graph.refusal import RefusedError

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REQUIRED = object()


class Fields:
    """One mutation being read: each field is taken once, and what is left over is an error."""

    def __init__(self, mutation: Any) -> None:
        if not isinstance(mutation, dict):
            raise RefusedError("", "must be an object")
        self._left = dict(mutation)

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        """A text field; raises :class:`RefusedError` when it is missing or no text."""
        value = self._left.pop(name, default)
        if value is _REQUIRED or (value is not default and not (isinstance(value, str) and value)):
            raise RefusedError(name, "must be a text that is not empty")
        return value

    def identifier(self, name: str, default: Any = _REQUIRED) -> Any:
        """An object id, folded to lower case."""
        value = self.text(name, default)
        if value is not default and not _UUID.fullmatch(value.casefold()):
            raise RefusedError(name, "must be a UUID")
        return value if value is default else value.casefold()

    def take(self, name: str, kind: type, default: Any) -> Any:
        """A field of some JSON type."""
        value = self._left.pop(name, default)
        if not isinstance(value, kind):
            raise RefusedError(name, f"must be a {kind.__name__}")
        return value

    def done(self) -> None:
        """Raise :class:`RefusedError` when a field was not taken."""
        if self._left:
            raise RefusedError(min(self._left), "no such field of this op")
