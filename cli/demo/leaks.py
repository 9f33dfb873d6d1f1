"""I9: secrets and personal data are looked for where they must not be: logs, metrics, public topics."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson

PERSONAL = ("userPrincipalName", "displayName", "mail", "surname")
MOST_PEOPLE = 300
"""Enough to be found if any code path prints people; searching for 100,000 would take minutes."""


def canaries(truth: Mapping[str, Mapping[str, Any]], secrets: Iterable[str]) -> dict[bytes, str]:
    """Return what to look for, and what to call it: whole secrets, and names and addresses that are long enough to be nobody else's."""
    found = {secret.encode(): "a secret" for secret in secrets}
    for user in list(truth.values())[:MOST_PEOPLE]:
        for attribute in PERSONAL:
            value = str(user["properties"].get(attribute) or "")
            if len(value) >= 8:
                found[value.encode()] = attribute
    return found


def _files(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.name, file.read_bytes()) for file in sorted(folder.rglob("*")) if file.is_file()]


async def leaks(
    logs: Path, metrics: Iterable[str], public: Iterable[Mapping[str, Any]], wanted: Mapping[bytes, str]
) -> Iterator[str]:
    """Return where one of ``wanted`` was found, never what it was."""
    found = []
    texts = await asyncio.to_thread(_files, logs)
    async with aiohttp.ClientSession() as session:
        for url in metrics:
            async with session.get(url) as response:
                texts.append((url, await response.read()))
    texts.append(("the public topics", b"\n".join(orjson.dumps(record) for record in public)))
    for name, text in texts:
        kinds = {kind for canary, kind in wanted.items() if canary in text}
        found += [f"{kind} stands in {name}" for kind in sorted(kinds)]
    return iter(found)
