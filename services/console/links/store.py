"""The statements about links."""

from typing import Final

from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.console.links")
