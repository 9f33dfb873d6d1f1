"""PATCH as the Entra provisioning service words it (Microsoft Entra, "Known issues and resolutions with SCIM 2.0 protocol compliance")."""

from typing import Final

from services.scim_writer.dialects.dialect import Dialect

ENTRA: Final = Dialect(name="entra", capitalised=True, booleans_as_text=True, removes_members_by_value=True)
"""As it does without a flag."""

ENTRA_062020: Final = Dialect(name="entra-062020", capitalised=False, booleans_as_text=False, merges_replaces=True)
"""As it does with the flag ``aadOptscim062020`` in the Tenant URL."""
