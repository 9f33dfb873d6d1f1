"""``seatkeeper token create``: a bearer token for the console, written straight into its database."""

import asyncio

import click

from cli.failures import CommandFailedError
from cli.output import print_json


@click.group()
def token() -> None:
    """Create bearer tokens for the console."""


@token.command("create")
@click.option("--name", required=True, help="Whom or what it is for.")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def create(name: str, role: str, as_json: bool) -> None:
    """Create a token and show it once. Needs SEATKEEPER_DATABASE_URL: who may write there may make tokens."""
    made = asyncio.run(_create(name, role))
    if as_json:
        print_json({"name": name, "role": role, "token": made})
    else:
        click.echo(made)
        click.echo("It is shown this once; only its hash is kept.", err=True)


async def _create(name: str, role: str) -> str:
    import asyncpg

    from services.console.tokens import create_token
    from shared.runtime.settings import DatabaseSettings

    settings = DatabaseSettings.from_environment()
    try:
        connection = await asyncpg.connect(
            settings.database_url.get_secret_value(), server_settings={"search_path": "console"}, timeout=10
        )
    except (OSError, asyncpg.PostgresError) as error:
        raise CommandFailedError(
            f"PostgreSQL at SEATKEEPER_DATABASE_URL cannot be reached ({type(error).__name__}). Check the address."
        ) from None
    try:
        return await create_token(connection, name, role)
    except asyncpg.UndefinedTableError:
        raise CommandFailedError("The console's tables are missing. Run: seatkeeper migrate") from None
    finally:
        await connection.close()
