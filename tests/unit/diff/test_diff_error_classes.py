"""The classes of error codes: the table of the provisioning log, row by row."""

import pytest

from services.diff.error_classes import ERROR_KINDS, UNKNOWN, ErrorClass, Retrying, kind_of
from shared.contracts.failure_codes import Code

ROWS = {
    "Conflict": (ErrorClass.DATA, Retrying.ESCROW),
    "EntryConflict": (ErrorClass.DATA, Retrying.ESCROW),
    "ContosoEntryConflict": (ErrorClass.DATA, Retrying.ESCROW),
    "TooManyRequests": (ErrorClass.TRANSIENT, Retrying.QUICKLY),
    "InternalServerError": (ErrorClass.TRANSIENT, Retrying.QUICKLY),
    "InsufficientRights": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
    "MethodNotAllowed": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
    "NotPermitted": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
    "Unauthorized": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
    "UnprocessableEntity": (ErrorClass.TARGET, Retrying.ESCROW),
    "WebExceptionProtocolError": (ErrorClass.TRANSIENT, Retrying.QUICKLY),
    "Timeout": (ErrorClass.TRANSIENT, Retrying.QUICKLY),
    "InternalError": (ErrorClass.SERVICE, Retrying.QUICKLY),
    "InvalidAnchor": (ErrorClass.DATA, Retrying.RELINK),
    "NotImplemented": (ErrorClass.TARGET, Retrying.ESCROW),
    "MandatoryFieldsMissing": (ErrorClass.DATA, Retrying.ESCROW),
    "MissingValues": (ErrorClass.DATA, Retrying.ESCROW),
    "SchemaAttributeNotFound": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
    "InvalidDomain": (ErrorClass.DATA, Retrying.ESCROW),
    "LicenseLimitExceeded": (ErrorClass.DATA, Retrying.ESCROW),
    "DuplicateTargetEntries": (ErrorClass.DATA, Retrying.ESCROW),
    "DuplicateSourceEntries": (ErrorClass.DATA, Retrying.ESCROW),
    "SystemForCrossDomainIdentityManagementMultipleEntriesInResponse": (ErrorClass.TARGET, Retrying.ESCROW),
    "SystemForCrossDomainIdentityManagementServiceIncompatible": (ErrorClass.TARGET, Retrying.ESCROW),
    "SystemForCrossDomainIdentityManagementServiceIncompatibleFiltering": (ErrorClass.TARGET, Retrying.ESCROW),
    "SchemaPropertyCanOnlyAcceptValue": (ErrorClass.CONFIGURATION, Retrying.ESCROW),
}


@pytest.mark.parametrize("code", ROWS)
def test_every_code_of_the_log_has_its_class(code: str) -> None:
    assert (kind_of(code).error_class, kind_of(code).retrying) == ROWS[code]


def test_every_code_that_a_change_can_fail_with_has_a_class_and_an_unknown_one_is_escrowed() -> None:
    of_source = {code for code in Code if code.name.startswith("SOURCE_")}
    assert set(Code) - of_source <= ERROR_KINDS.keys()
    assert kind_of(None) == kind_of("Unheard") == UNKNOWN
    assert UNKNOWN.retrying is Retrying.ESCROW
