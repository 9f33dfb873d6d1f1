"""The failures that a person is told in one sentence."""

import sys


class CommandFailedError(Exception):
    """A command could not do what was asked; the message says why and what to do."""


_EXPECTED = {"deploy.embedded.errors": "EmbeddedError", "shared.runtime.errors": "StartRefusedError"}


def expected_failures() -> tuple[type[Exception], ...]:
    """Return the exceptions whose message is meant for people; only of modules that are loaded, so that nothing is imported for it."""

    loaded = [getattr(sys.modules[module], name) for module, name in _EXPECTED.items() if module in sys.modules]
    return (CommandFailedError, *loaded)
