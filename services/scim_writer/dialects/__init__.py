"""Dialects: small switches in how PATCH is worded. Everything else is the same for every target."""

from typing import Final

from services.scim_writer.dialects.dialect import Dialect
from services.scim_writer.dialects.entra import ENTRA, ENTRA_062020
from services.scim_writer.dialects.rfc7644 import RFC7644

BY_TEMPLATE: Final[dict[str, Dialect]] = {}
"""Templates whose targets want something else than RFC 7644."""


def dialect_of(template: str) -> Dialect:
    """Return the dialect of the targets of a template."""
    return BY_TEMPLATE.get(template, RFC7644)


__all__ = ["ENTRA", "ENTRA_062020", "RFC7644", "Dialect", "dialect_of"]
