"""Entry point. Each command lives in a module of its own that is imported when it is called: ``--help`` must be instant."""

import importlib
import sys

import click

from cli.failures import expected_failures

COMMANDS = {
    "demo": ("cli.demo.command:demo", "Go through the whole tutorial with simulated Graph, LinkedIn and mail."),
    "up": ("cli.up:up", "Run everything on this machine until Ctrl-C."),
    "run": ("cli.run:run", "Run one service from the environment alone, as a container does."),
    "migrate": ("cli.prepare:migrate", "Apply the missing database migrations."),
    "topics": ("cli.prepare:topics", "Create the missing Kafka topics."),
    "jobs": ("cli.jobs:jobs", "List, create and show synchronization jobs."),
    "secrets": ("cli.credentials:secrets", "Save the credentials of a job."),
    "test-connection": ("cli.jobs:test_connection", "Check the credentials of a job against source and target."),
    "start": ("cli.jobs:start", "Set the provisioning status of a job to On."),
    "pause": ("cli.jobs:pause", "Set it to Off; the running cycle ends first."),
    "restart": ("cli.jobs:restart", "Begin a new initial cycle, forgetting what --reset-scope says."),
    "status": ("cli.status:status", "Show the cycle and the counts of a job, live with --watch."),
    "logs": ("cli.logs:logs", "Show the provisioning log."),
    "user": ("cli.people:user", "Show where one user stands, and why."),
    "retry": ("cli.people:retry", "Try one failed user again at once."),
    "licenses": ("cli.people:licenses", "Show the licenses of a job and who is waiting."),
    "schema": ("cli.schema:schema", "Show, export, import and restore the mappings and filters of a job."),
    "source": ("cli.source:source", "Show how far the source of a job was read."),
    "holds": ("cli.holds:holds", "List, approve and reject removals that are held."),
    "links": ("cli.links:links", "List, repair, delete and compare links between users and accounts."),
    "provision": ("cli.provision:provision", "Provision one user now, step by step."),
    "token": ("cli.token:token", "Create bearer tokens for the console."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        """List the commands with their one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seatkeeper", prog_name="seatkeeper")
def seatkeeper() -> None:
    """Keep LinkedIn Sales Navigator accounts and licenses in step with Microsoft Entra ID."""


def main() -> None:
    """Run the command line; what is expected to go wrong ends in one sentence and exit status 1, never in a stack trace."""
    try:
        sys.exit(seatkeeper.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        # Read only now: what is expected depends on what the command imported.
        if not isinstance(error, expected_failures()):
            raise
        click.echo(f"seatkeeper: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
