"""Waiting for a condition with a deadline, instead of sleeping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(condition: Callable[[], Awaitable[T]], within: float = 5.0, every: float = 0.02) -> T: ...


@overload
async def eventually(condition: Callable[[], T], within: float = 5.0, every: float = 0.02) -> T: ...


async def eventually(condition: Callable[[], Any], within: float = 5.0, every: float = 0.02) -> Any:
    """Asks the condition, sync or async, until it is truthy and returns its value; `AssertionError` after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if loop.time() >= deadline:
            name = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"{name} did not hold within {within:g} s; its last value was {value!r}")
        await asyncio.sleep(every)
