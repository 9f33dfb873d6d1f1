"""What a dialect decides: the spelling of an operation and of a boolean."""

from dataclasses import dataclass
from typing import Any, Final

_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one PATCH operation is worded."""

    name: str
    capitalised: bool
    """``Replace`` instead of ``replace``."""
    booleans_as_text: bool
    """``"False"`` instead of ``false``."""

    def operation(self, verb: str, path: str, value: Any = _MISSING) -> dict[str, Any]:
        """Return one operation; without a value for a remove."""
        operation: dict[str, Any] = {"op": verb.capitalize() if self.capitalised else verb, "path": path}
        if value is not _MISSING:
            operation["value"] = str(value) if self.booleans_as_text and isinstance(value, bool) else value
        return operation
