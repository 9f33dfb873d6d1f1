"""Error codes of the provisioning log and the advice that goes with each (Microsoft Entra, "Provisioning logs", error codes)."""

from enum import StrEnum
from typing import Final

from shared.contracts.message import ObjectType
from shared.contracts.outcomes import Failure


class Code(StrEnum):
    """Why something failed. The words are those of the Entra provisioning log where it has one."""

    CONFLICT = "Conflict"
    DUPLICATE_SOURCE_ENTRIES = "DuplicateSourceEntries"
    DUPLICATE_TARGET_ENTRIES = "DuplicateTargetEntries"
    INSUFFICIENT_RIGHTS = "InsufficientRights"
    INTERNAL_ERROR = "InternalError"
    INTERNAL_SERVER_ERROR = "InternalServerError"
    INVALID_ANCHOR = "InvalidAnchor"
    MISSING_VALUES = "MissingValues"
    NOT_IMPLEMENTED = "NotImplemented"
    SERVICE_INCOMPATIBLE = "SystemForCrossDomainIdentityManagementServiceIncompatible"
    TIMEOUT = "Timeout"
    TOO_MANY_REQUESTS = "TooManyRequests"
    UNAUTHORIZED = "Unauthorized"
    UNPROCESSABLE_ENTITY = "UnprocessableEntity"
    UNREACHABLE = "WebExceptionProtocolError"
    SOURCE_REFUSED = "SourceCredentialsRefused"
    SOURCE_UNAVAILABLE = "SourceUnavailable"
    SOURCE_MISCONFIGURED = "SourceMisconfigured"
    SOURCE_ROLE_UNKNOWN = "SourceRoleUnknown"


ADVICE: Final[dict[Code, str]] = {
    Code.CONFLICT: "Another account at the target already holds the user name or e-mail address. Clear it there or change it in the "
    "directory; the user is tried again by itself.",
    Code.DUPLICATE_SOURCE_ENTRIES: "Another user of this job already has the account. Give each user a matching value of their own in the "
    "directory, or match by an attribute that is unique; the user is tried again by itself.",
    Code.DUPLICATE_TARGET_ENTRIES: "More than one account at the target has this matching value. Remove the double ones at the target.",
    Code.INSUFFICIENT_RIGHTS: "The secret token may not do this. Check at the target that the administrator who made it still has "
    "the right.",
    Code.INTERNAL_ERROR: "Seatkeeper could not handle this change. Look for the change id in the dead-letter topic and report it.",
    Code.INTERNAL_SERVER_ERROR: "The target failed. It is tried again by itself; ask the target's support if it lasts.",
    Code.INVALID_ANCHOR: "The linked account is gone at the target. The user is matched anew at the next attempt.",
    Code.MISSING_VALUES: "A required attribute has no value in the directory. Fill it in there; the change goes out by itself.",
    Code.NOT_IMPLEMENTED: "The target does not support this operation. Check the Tenant URL and the template of the job.",
    Code.SERVICE_INCOMPATIBLE: "The target refused the values of this user. Compare the attributes shown with what the target allows, and "
    "correct them in the directory.",
    Code.TIMEOUT: "The target did not answer in time. It is looked up and tried again by itself.",
    Code.TOO_MANY_REQUESTS: "The target asked to slow down. It is tried again when the target allows it.",
    Code.UNAUTHORIZED: "The target refused the secret token. Generate a new one at the target, save it as Secret Token, and test the "
    "connection.",
    Code.UNPROCESSABLE_ENTITY: "The target could not process the values of this user. Correct them in the directory.",
    Code.UNREACHABLE: "The target could not be reached. Check the Tenant URL and the network; it is tried "
    "again by itself.",
    Code.SOURCE_REFUSED: "Microsoft Graph refused the client credentials or a permission is missing. Check the client secret and the "
    "consent for Application.Read.All, User.Read.All and GroupMember.Read.All.",
    Code.SOURCE_UNAVAILABLE: "The source did not answer as it should. Nothing was changed; the next cycle tries again.",
    Code.SOURCE_MISCONFIGURED: "The source does not have what the job names. Nothing was changed. Correct the source of the job, or what "
    "it names in the directory; the next cycle tries again.",
    Code.SOURCE_ROLE_UNKNOWN: "A required role of the job is not declared by the application, so nobody can be told apart by it. Nothing "
    "was changed. Correct settings.requiredRoles, or declare the role in the application.",
}


GROUP_ADVICE: Final[dict[Code, str]] = {
    Code.CONFLICT: "Another group at the target already has this name. Rename or remove it there, or rename the group in the directory; it "
    "is tried again by itself.",
    Code.DUPLICATE_TARGET_ENTRIES: "More than one group at the target has this name. Rename or remove the double ones at the target.",
    Code.INVALID_ANCHOR: "The linked group is gone at the target. It is matched or created anew, with its members, at the next attempt.",
    Code.NOT_IMPLEMENTED: "The target takes no groups, or not this operation on them. Take the group mapping out of the job, or ask "
    "the target's support; users are not concerned.",
    Code.SERVICE_INCOMPATIBLE: "The target refused the group or members of it. Look whether the accounts of its members still exist at the "
    "target; it is tried again by itself.",
    Code.UNPROCESSABLE_ENTITY: "The target could not process the group or members of it. Look whether the accounts of its members still "
    "exist at the target.",
}
"""What to do instead when it was a group that failed."""


def failure(
    code: Code, message: str, *, http_status: int | None = None, about: ObjectType = ObjectType.USER
) -> Failure:
    """Return a failure with the advice that belongs to its code; ``message`` holds no value of any attribute.

    ``about`` is the kind of object that failed: some advice differs for groups.
    """
    advice = (GROUP_ADVICE.get(code) if about is ObjectType.GROUP else None) or ADVICE[code]
    return Failure(code=code, message=message, advice=advice, http_status=http_status)
