"""The digest of a listing tells whether anything changed, whatever the pages."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.listing import AssignmentRow, ListingDigest

rows = st.lists(
    st.builds(
        AssignmentRow,
        assignment_id=st.text(max_size=3),
        principal_type=st.sampled_from(["user", "group"]),
        principal_id=st.sampled_from("pq"),
        role_id=st.sampled_from("rs"),
        assigned_at=st.none(),
    ),
    max_size=8,
)


def digest(*pages: list[AssignmentRow]) -> bytes:
    counting = ListingDigest()
    for page in pages:
        counting.add(page)
    return counting.value()


@given(rows, st.integers(0, 8), st.randoms(use_true_random=False))
def test_order_and_pages_do_not_matter(listed: list[AssignmentRow], cut: int, source: Any) -> None:
    shuffled = list(listed)
    source.shuffle(shuffled)
    assert digest(listed) == digest(shuffled[:cut], [], shuffled[cut:])


@given(rows, rows)
def test_equal_digests_mean_equal_listings(one: list[AssignmentRow], other: list[AssignmentRow]) -> None:
    assert (digest(one) == digest(other)) is (sorted(one, key=repr) == sorted(other, key=repr))
