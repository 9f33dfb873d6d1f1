"""Composition root of scim-writer."""

from services.scim_writer.executor import Executor
from services.scim_writer.handlers import take_commands
from services.scim_writer.settings import ScimWriterSettings
from shared.contracts.changes import Command
from shared.contracts.topics import WRITER
from shared.runtime.consume import Subscription
from shared.runtime.service import Background, Service


def build(settings: ScimWriterSettings) -> Service:
    """Return the service, ready to run. Raises ``StartRefusedError`` when there is no secret key to read job secrets with."""
    settings.secret_key_bytes()
    return Service(
        name=WRITER,
        settings=settings,
        subscriptions=(Subscription(message=Command, handler=take_commands),),
        background=(Background(name="execute", run=Executor(settings).run),),
    )
