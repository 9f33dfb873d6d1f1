"""``seatkeeper migrate`` and ``seatkeeper topics``: what has to be there before services start."""

import asyncio

import click

from cli.failures import CommandFailedError
from cli.run import SERVICES


@click.command()
@click.argument("services", nargs=-1, type=click.Choice(SERVICES))
def migrate(services: tuple[str, ...]) -> None:
    """Apply the missing migrations of SERVICES (all when none is named). Safe to run again."""
    import asyncpg

    from deploy.databases import migrate_services
    from shared.runtime.settings import DatabaseSettings

    try:
        applied = asyncio.run(migrate_services(DatabaseSettings.from_environment(), services or SERVICES))
    except (OSError, asyncpg.PostgresError) as error:
        raise CommandFailedError(
            f"PostgreSQL at SEATKEEPER_DATABASE_URL cannot be used ({type(error).__name__}). Check the address, user and password."
        ) from None
    for service, names in applied.items():
        click.echo(f"{service}: {', '.join(names) if names else 'nothing to do'}")


@click.command()
@click.option("--replication-factor", type=click.IntRange(1, 9), default=1, show_default=True)
def topics(replication_factor: int) -> None:
    """Create the missing topics. What is there already is left alone."""
    import logging

    from aiokafka.errors import KafkaError

    from deploy.topics import create_topics
    from shared.runtime.settings import KafkaSettings

    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # what it would print is said below, in words
    try:
        created = asyncio.run(create_topics(KafkaSettings.from_environment(), replication_factor))
    except (KafkaError, OSError) as error:
        raise CommandFailedError(
            f"Kafka at SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS cannot be used ({type(error).__name__}). Check the address and credentials."
        ) from None
    for name in created:
        click.echo(f"created {name}")
    if not created:
        click.echo("nothing to do")
