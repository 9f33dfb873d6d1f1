"""What kind of failure a code tells of, and so how it is retried (Microsoft Entra, "Provisioning logs", error codes)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.failure_codes import Code


class ErrorClass(StrEnum):
    """Where the cause lies: in the moment, in our service, in the configuration, in the user's data, at the target."""

    TRANSIENT = "transient"
    SERVICE = "service"
    CONFIGURATION = "configuration"
    DATA = "data"
    TARGET = "target"


class Retrying(StrEnum):
    """How a failure is retried: within seconds first, by the schedule of escrows at once, or by matching anew at the next attempt."""

    QUICKLY = "quickly"
    ESCROW = "escrow"
    RELINK = "relink"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """The class of an error code, and how it is retried."""

    error_class: ErrorClass
    retrying: Retrying


def _kinds(error_class: ErrorClass, retrying: Retrying, *codes: str) -> dict[str, ErrorKind]:
    return dict.fromkeys(codes, ErrorKind(error_class=error_class, retrying=retrying))


ERROR_KINDS: Final[dict[str, ErrorKind]] = {
    **_kinds(
        ErrorClass.TRANSIENT,
        Retrying.QUICKLY,
        Code.TOO_MANY_REQUESTS,
        Code.INTERNAL_SERVER_ERROR,
        Code.UNREACHABLE,
        Code.TIMEOUT,
    ),
    **_kinds(ErrorClass.SERVICE, Retrying.QUICKLY, Code.INTERNAL_ERROR),
    **_kinds(
        ErrorClass.CONFIGURATION,
        Retrying.ESCROW,
        Code.INSUFFICIENT_RIGHTS,
        Code.UNAUTHORIZED,
        "MethodNotAllowed",
        "NotPermitted",
        "SchemaAttributeNotFound",
        "SchemaPropertyCanOnlyAcceptValue",
    ),
    **_kinds(
        ErrorClass.DATA,
        Retrying.ESCROW,
        Code.CONFLICT,
        "EntryConflict",
        Code.MISSING_VALUES,
        "MandatoryFieldsMissing",
        "InvalidDomain",
        "LicenseLimitExceeded",
        Code.DUPLICATE_TARGET_ENTRIES,
        "DuplicateSourceEntries",
    ),
    **_kinds(ErrorClass.DATA, Retrying.RELINK, Code.INVALID_ANCHOR),
    **_kinds(
        ErrorClass.TARGET,
        Retrying.ESCROW,
        Code.UNPROCESSABLE_ENTITY,
        Code.NOT_IMPLEMENTED,
        Code.SERVICE_INCOMPATIBLE,
        "SystemForCrossDomainIdentityManagementServiceIncompatibleFiltering",
        "SystemForCrossDomainIdentityManagementMultipleEntriesInResponse",
    ),
}
"""Every code of the provisioning log that is a failure; those of skips are none and are looked at again when the source changes."""

UNKNOWN: Final = ErrorKind(error_class=ErrorClass.TARGET, retrying=Retrying.ESCROW)


def kind_of(code: str | None) -> ErrorKind:
    """Return what kind of failure this is. A conflict is often prefixed with the name of the target (``ContosoEntryConflict``)."""
    if code is None:
        return UNKNOWN
    if code.endswith("EntryConflict"):
        return ERROR_KINDS[Code.CONFLICT]
    return ERROR_KINDS.get(code, UNKNOWN)
