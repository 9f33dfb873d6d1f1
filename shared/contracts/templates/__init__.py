"""Templates: what is known of each kind of target, one module each."""

from typing import Final

from shared.contracts.templates.linkedin_sales_navigator import LINKEDIN_SALES_NAVIGATOR
from shared.contracts.templates.scim import SCIM
from shared.contracts.templates.template import Template

TEMPLATES: Final[dict[str, Template]] = {template.name: template for template in (LINKEDIN_SALES_NAVIGATOR, SCIM)}

__all__ = ["TEMPLATES", "Template"]
