"""Following links: every page once, in order, whatever page tokens die on the way; and an end to chains without one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph import paging
from services.assignment_watcher.graph.gateway import Asked, Reply
from services.assignment_watcher.graph.paging import LoopGuard, follow
from services.assignment_watcher.sources.source import RestartRoundError, SourceUnavailableError

ROOT = "https://graph.example"


@dataclass
class Chain:
    """A gateway whose pages lie behind numbered links. A link that came with a repeated request may be dead."""

    pages: list[list[Any]]
    repeated: Iterator[bool]
    dead_after_repeat: Iterator[bool]
    root: str = ROOT
    asked: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    given: int = 0

    async def read(self, url: str, asked: Asked, **flags: bool) -> Reply:
        self.asked.append(url)
        assert flags["page_token"] is (url != f"{ROOT}/0")
        if url in self.dead:
            raise RestartRoundError("a page token is dead")
        number, retried = int(url.rpartition("/")[2].partition("?")[0]), next(self.repeated)
        content: dict[str, Any] = {"value": self.pages[number]}
        if number + 1 < len(self.pages):
            self.given += 1
            link = content["@odata.nextLink"] = f"{ROOT}/{number + 1}?token={self.given}"
            if retried and next(self.dead_after_repeat):
                self.dead.add(link)
        else:
            content["@odata.deltaLink"] = f"{ROOT}/delta"
        return Reply(body=orjson.dumps(content), content=content, retried=retried)


async def walk(chain: Chain) -> list[Any]:
    return [page async for page in follow(chain, f"{ROOT}/0", Asked(kind="users/delta"))]  # type: ignore[arg-type] # as much of the gateway as is needed


def endless(values: list[bool]) -> Iterator[bool]:
    yield from values
    while True:
        yield False


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True),
    st.lists(st.booleans(), max_size=12),
    st.lists(st.booleans(), max_size=12),
)
async def test_each_page_comes_once_and_in_order_or_the_round_is_restarted(
    ids: list[int], repeated: list[bool], dead: list[bool]
) -> None:
    count = len(ids)
    chain = Chain([[{"id": each}] if each else [] for each in ids], endless(repeated), endless(dead))
    pages = []
    try:
        async for page in follow(chain, f"{ROOT}/0", Asked(kind="users/delta")):  # type: ignore[arg-type] # as above
            pages.append(page)
    except RestartRoundError:
        assert chain.dead
    else:
        assert pages[-1].delta_link == f"{ROOT}/delta"
        assert len(pages) == count
    assert [page.value for page in pages] == chain.pages[: len(pages)]
    assert len(chain.asked) <= 4 * count


async def test_a_link_that_dies_after_a_repeated_request_is_got_anew_by_the_last_good_one() -> None:
    chain = Chain([["a"], ["b"], ["c"], ["d"]], endless([False, True]), endless([True]))
    assert [page.value for page in await walk(chain)] == chain.pages
    assert [url.rpartition("/")[2][0] for url in chain.asked] == list("012123")


async def test_without_a_good_link_the_round_is_restarted() -> None:
    chain = Chain([["a"], ["b"]], endless([True]), endless([True]))
    with pytest.raises(RestartRoundError):
        await walk(chain)
    assert len(chain.asked) == 2


async def test_a_good_link_is_asked_for_again_once_only() -> None:
    chain = Chain([["a"], ["b"], ["c"]], endless([False, True, True]), endless([True, True]))
    with pytest.raises(RestartRoundError):
        await walk(chain)


def test_the_same_page_three_times_is_a_loop() -> None:
    guard = LoopGuard("users/delta")
    guard.check(["a"])
    guard.check(["b"])
    guard.check(["a"])
    with pytest.raises(
        SourceUnavailableError, match="repeats pages of users/delta without end; the read was cut at page 4"
    ):
        guard.check(["a"])


def test_empty_pages_are_allowed_for_a_while() -> None:
    guard = LoopGuard("groups/delta")
    for _ in range(paging.MOST_EMPTY_PAGES):
        guard.check([])
    guard.check(["a"])
    for _ in range(paging.MOST_EMPTY_PAGES):
        guard.check([])
    with pytest.raises(SourceUnavailableError, match="groups/delta"):
        guard.check([])


def test_a_list_that_never_ends_is_cut_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MOST_PAGES", 5)
    guard = LoopGuard("appRoleAssignedTo")
    for number in range(5):
        guard.check([number])
    with pytest.raises(
        SourceUnavailableError, match="pages of appRoleAssignedTo without end; the read was cut after 5 pages"
    ):
        guard.check([5])


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"value": None},
        {"value": {}},
        {"value": [], "@odata.nextLink": 7},
        {"value": [], "@odata.deltaLink": "https://evil.example/"},
        {"value": [], "@odata.nextLink": "//graph.example/x"},
    ],
)
async def test_a_page_without_values_or_with_a_foreign_link_is_not_believed(content: dict[str, Any]) -> None:
    class Once(Chain):
        async def read(self, url: str, asked: Asked, **flags: bool) -> Reply:
            return Reply(body=b"", content=content, retried=False)

    with pytest.raises(SourceUnavailableError, match="users/delta"):
        await walk(Once([], endless([]), endless([])))
