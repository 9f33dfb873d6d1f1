"""``seatkeeper secrets``: the credentials of a job, asked for by what the job needs."""

from typing import IO, Any

import click

from cli.client import Client, job_option, with_console
from cli.failures import CommandFailedError

_PROMPTS = {"secretToken": "Secret Token", "clientSecret": "Client secret"}


@click.command()
@job_option
@click.option("--secret-token", envvar="SEATKEEPER_SECRET_TOKEN", help="Secret Token of the target.")
@click.option("--secret-token-expires-at", help="RFC 3339 time at which the Secret Token expires.")
@click.option("--client-secret", envvar="SEATKEEPER_CLIENT_SECRET", help="Client secret of the source.")
@click.option("--client-secret-expires-at", help="RFC 3339 time at which the client secret expires.")
@click.option(
    "--client-certificate",
    type=click.File("r"),
    envvar="SEATKEEPER_CLIENT_CERTIFICATE_FILE",
    help="PEM file with the certificate of the source and its private key.",
)
@with_console
async def secrets(client: Client, job: str | None, client_certificate: IO[str] | None, **given: str | None) -> None:
    """Save the credentials of a job. They are never shown again.

    Without an option it asks for those that the job needs: the Secret Token of the target, and the client secret where the source has one.
    """
    job_id = await client.only_job(job)
    body = {_camel(name): value for name, value in given.items() if value}
    if client_certificate is not None:
        body["clientCertificate"] = _pem(client_certificate)
    if not body:
        body = _asked(await client.get(f"/jobs/{job_id}"))
    saved = (await client.request("PUT", f"/jobs/{job_id}/secrets", body))["secrets"]["clientCertificate"]
    click.echo("Saved.")
    if "clientCertificate" in body:
        click.echo(f"Certificate with thumbprint {saved['thumbprint']}, expires {saved['expiresAt'][:10]}.")


def _camel(option: str) -> str:
    first, *rest = option.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _pem(file: IO[str]) -> str:
    try:
        return file.read()
    except UnicodeDecodeError:
        raise CommandFailedError(
            f"{file.name} is not text. Write the certificate and its private key as PEM (openssl pkcs12 -nodes)."
        ) from None


def _asked(job: dict[str, Any]) -> dict[str, str]:
    """Ask the person at the terminal for what the source and the target of the job need."""
    source = job["source"]
    needed = ["secretToken"]
    if source["kind"] == "microsoft-graph" and source["credential"] == "clientSecret":
        needed.append("clientSecret")
    if source["kind"] == "microsoft-graph" and source["credential"] == "clientCertificate":
        click.echo("The certificate of the source is saved with --client-certificate FILE.", err=True)
    return {name: click.prompt(_PROMPTS[name], hide_input=True) for name in needed}
