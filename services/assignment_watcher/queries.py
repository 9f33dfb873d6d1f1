"""The named statements of the watcher."""

from typing import Final

from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher")
