"""PATCH as RFC 7644, section 3.5.2, words it."""

from typing import Final

from services.scim_writer.dialects.dialect import Dialect

RFC7644: Final = Dialect(name="rfc7644", capitalised=False, booleans_as_text=False)
