"""Migrates the schemas of services. In a cluster this is a job that runs before them."""

from collections.abc import Sequence

import asyncpg

from shared.contracts.topics import SERVICES
from shared.runtime.migrations import migrate
from shared.runtime.settings import DatabaseSettings


async def migrate_services(settings: DatabaseSettings, services: Sequence[str] = SERVICES) -> dict[str, list[str]]:
    """Apply the missing migrations of ``services`` and return their names by service.

    Raises ``StartRefusedError`` when an applied migration was altered, and asyncpg's errors when PostgreSQL refuses.
    """
    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=10, command_timeout=600)
    try:
        return {service: await migrate(connection, service) for service in services}
    finally:
        await connection.close()
