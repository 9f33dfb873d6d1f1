"""PATCH as the Entra provisioning service words it (Microsoft Entra, "Known issues and resolutions with SCIM 2.0 protocol compliance")."""

from typing import Final

from services.scim_writer.dialects.dialect import Dialect

ENTRA: Final = Dialect(name="entra", capitalised=True, booleans_as_text=True)
