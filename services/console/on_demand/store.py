"""The statements about users on demand."""

from typing import Final

from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.console.on_demand")
