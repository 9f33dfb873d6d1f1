"""The two error shapes of the service: SCIM errors (RFC 7644 section 3.12) and the shape of the gateway before it."""

from typing import Final, Literal

import orjson

_ERROR_URN: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
NOT_JSON: Final = b"<html><head><title>Unavailable</title></head><body><h1>Our engineers are on it</h1></body></html>"


class ScimError(Exception):
    """A request that the SCIM service itself refuses: status, detail, and a `scimType` where RFC 7644 table 9 has one."""

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.scim_type = scim_type

    def body(self, status_as: Literal["string", "integer"] = "string") -> bytes:
        """The JSON of the error; RFC 7644 wants `status` as a string, some services send a number."""
        content: dict[str, object] = {
            "schemas": [_ERROR_URN],
            "status": str(self.status) if status_as == "string" else self.status,
            "detail": self.detail,
        }
        if self.scim_type:
            content["scimType"] = self.scim_type
        return orjson.dumps(content)


class GatewayError(Exception):
    """A request that never reaches the SCIM service: `{"message", "serviceErrorCode", "status"}` and plain JSON."""

    def __init__(self, status: int, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = status if code is None else code

    def body(self) -> bytes:
        """The JSON of the error, with whole numbers for code and status."""
        return orjson.dumps({"message": self.message, "serviceErrorCode": self.code, "status": self.status})
