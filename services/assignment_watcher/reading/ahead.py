"""Asking for the next page while the last one is being put away: pages are serial, so this is all the overlap there is."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def ahead(pages: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield what ``pages`` yields, with the one after it already under way."""
    following: asyncio.Future[T] = asyncio.ensure_future(anext(pages))
    try:
        while True:
            try:
                page = await following
            except StopAsyncIteration:
                return
            following = asyncio.ensure_future(anext(pages))
            yield page
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
