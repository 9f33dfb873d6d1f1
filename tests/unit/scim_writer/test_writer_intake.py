"""I4: the newest generation wins, in whatever order and however often commands arrive."""

from hypothesis import given
from hypothesis import strategies as st

from services.scim_writer.intake import Place, State, Stored, decide


@given(st.lists(st.lists(st.integers(1, 8), min_size=1, max_size=4), max_size=8), st.data())
def test_each_generation_ends_once_and_the_newest_is_executed(batches: list[list[int]], data: st.DataObject) -> None:
    stored: Stored | None = None
    ended: list[int] = []
    arrived: set[int] = set()

    def settle() -> None:
        nonlocal stored
        assert stored is not None
        ended.append(stored.generation)
        if stored.next_generation is None:
            stored = Stored(state=State.SETTLED, generation=stored.generation)
        else:
            stored = Stored(state=State.READY, generation=stored.next_generation)

    for generations in batches:
        batch = [generation for generation in generations if generation not in arrived]  # the inbox passes repeats over
        arrived |= set(batch)
        decision = decide(stored, batch * 2)
        ended.extend(decision.superseded)
        match decision.place:
            case Place.NEW | Place.CURRENT:
                assert decision.taken is not None
                stored = Stored(state=State.READY, generation=decision.taken)
            case Place.NEXT:
                assert stored is not None
                stored = Stored(state=State.IN_FLIGHT, generation=stored.generation, next_generation=decision.taken)
        if stored is not None and stored.state is State.READY and data.draw(st.booleans()):
            stored = Stored(state=State.IN_FLIGHT, generation=stored.generation)
        if stored is not None and stored.state is State.IN_FLIGHT and data.draw(st.booleans()):
            settle()
    while stored is not None and stored.state is not State.SETTLED:
        settle()
    assert sorted(ended) == sorted(arrived)
    assert stored is None or stored.generation == max(arrived)


def test_a_repeat_of_what_is_stored_changes_nothing() -> None:
    for stored in (
        Stored(state=State.READY, generation=3),
        Stored(state=State.SETTLED, generation=3),
        Stored(state=State.IN_FLIGHT, generation=2, next_generation=3),
    ):
        decision = decide(stored, [3])
        assert (decision.place, decision.superseded) == (None, ())
