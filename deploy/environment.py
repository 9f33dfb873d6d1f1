"""Generates ``.env.example`` from the settings classes: every variable with what it means and its default."""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.contracts.topics import SERVICES
from shared.runtime.settings import Settings

HEADER = """\
# Generated from the settings classes; `make generate` writes it anew. Copy it to .env and fill in what has no value.
# docker compose reads .env; there is no default password anywhere.

# The password of the PostgreSQL container and of SEATKEEPER_DATABASE_URL.
POSTGRES_PASSWORD=
"""
FAULT_TESTS_ONLY = {"crash_point"}


def example() -> str:
    """Return the text of ``.env.example``."""
    lines = [HEADER, "# Every service"]
    lines += [line for name, field in Settings.model_fields.items() for line in _lines(name, field)]
    for service in SERVICES:
        kind: type[Settings] = importlib.import_module(f"services.{service.replace('-', '_')}.settings").ServiceSettings
        own = {name: field for name, field in kind.model_fields.items() if name not in Settings.model_fields}
        if own:
            lines += ["", f"# {service}"]
            lines += [line for name, field in own.items() for line in _lines(name, field)]
    return "\n".join(lines) + "\n"


def _lines(name: str, field: FieldInfo) -> list[str]:
    if name in FAULT_TESTS_ONLY:
        return []
    variable = f"SEATKEEPER_{name.upper()}"
    value: Any = field.get_default(call_default_factory=False)
    lines = [f"# {field.description}"] if field.description else []
    if value is PydanticUndefined:
        return [*lines, f"{variable}="]
    shown = "" if value is None else getattr(value, "get_secret_value", lambda: value)()
    shown = str(shown).lower() if isinstance(shown, bool) else shown
    return [*lines, f"#{variable}={shown}"]


def main() -> int:
    """Write the file, or with ``--check`` exit with 1 when it is stale."""
    parser = argparse.ArgumentParser(description=".env.example from the settings classes.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if not arguments.check:
        arguments.file.write_text(example(), "utf-8")
    elif not arguments.file.exists() or arguments.file.read_text("utf-8") != example():
        sys.stderr.write(f"{arguments.file} is not what the code says; run: make generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
