"""What is wrong with a schema, by name and place: nothing that cannot be done is ever dropped in silence."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error refuses the schema; a warning says what is probably not meant."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, where, and what would mend it.

    ``path`` is the place in the JSON document (``synchronizationRules.0.objectMappings.1.scope``); ``position`` the character, counted
    from 1, within the expression, path or pattern that stands there. ``message`` names attributes, functions and operators as the
    document writes them, and never a value of a person.
    """

    path: str
    code: str
    message: str
    remedy: str
    position: int | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = "" if self.position is None else f" at position {self.position}"
        return f"{self.message}{where}; {self.remedy}"


class SchemaRefusedError(ValueError):
    """The schema cannot be used; ``findings`` says everything that is wrong with it, warnings included."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in self.findings if finding.severity is Severity.ERROR]
        first = f": {errors[0].path}: {errors[0]}" if errors else ""
        super().__init__(f"the synchronization schema has {len(errors)} errors{first}")


class Findings:
    """What was found so far, in the order in which it was found."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def error(self, path: str, code: str, message: str, remedy: str, *, position: int | None = None) -> None:
        """Note something that refuses the schema."""
        self._found.append(Finding(path=path, code=code, message=message, remedy=remedy, position=position))

    def warning(self, path: str, code: str, message: str, remedy: str, *, position: int | None = None) -> None:
        """Note something that is probably not meant."""
        finding = Finding(
            path=path, code=code, message=message, remedy=remedy, position=position, severity=Severity.WARNING
        )
        self._found.append(finding)

    def all(self) -> tuple[Finding, ...]:
        """Return everything that was found."""
        return tuple(self._found)
