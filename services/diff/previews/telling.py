"""What is told of a preview: where it stands, and its rows in messages of a bounded size."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.diff.previews.looking import Looked
from services.diff.previews.store import Preview
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.preview import MOST_ROWS_AT_ONCE, PlanRow, PreviewFact, PreviewRows, PreviewState
from shared.runtime.transaction import Transaction

MOST_BYTES: Final = 200_000
"""How many bytes of rows one message carries, unless one row alone has more."""


def chunks(rows: Sequence[PlanRow]) -> Iterator[tuple[PlanRow, ...]]:
    """Yield the rows in pieces that fit into a message each."""
    piece: list[PlanRow] = []
    size = 0
    for row in rows:
        more = len(row.model_dump_json(by_alias=True, exclude_none=True).encode())
        if piece and (len(piece) == MOST_ROWS_AT_ONCE or size + more > MOST_BYTES):
            yield tuple(piece)
            piece, size = [], 0
        piece.append(row)
        size += more
    if piece:
        yield tuple(piece)


def tell(tx: Transaction, preview: Preview, sequence: int, state: PreviewState, **what: Any) -> None:
    """Say where a preview stands."""
    fact = PreviewFact(
        job_id=preview.job_id,
        object_type=ObjectType.PREVIEW,
        object_id=preview.preview_id,
        sequence=sequence,
        state=state,
        job_version=preview.job_version,
        at=tx.now,
        **what,
    )
    _emit(tx, preview, fact)


def tell_plan(
    tx: Transaction, preview: Preview, looked: Looked, pieces: Sequence[tuple[PlanRow, ...]], last: int
) -> None:
    """Say what a plan would do: its rows, and behind them, with sequence ``last``, that it is done."""
    first = 0
    for number, piece in enumerate(pieces):
        rows = PreviewRows(
            job_id=preview.job_id,
            object_type=ObjectType.PREVIEW,
            object_id=preview.preview_id,
            sequence=last - len(pieces) + number,
            first=first,
            rows=piece,
            at=tx.now,
        )
        _emit(tx, preview, rows)
        first += len(piece)
    tell(
        tx,
        preview,
        last,
        PreviewState.DONE,
        looked_at=looked.plan.looked_at,
        expected=looked.expected,
        totals=looked.totals,
        rows=first,
        digest=looked.plan.digest(),
        as_of=looked.as_of,
        seconds=round(looked.seconds, 3),
    )


def _emit(tx: Transaction, preview: Preview, message: PreviewRows | PreviewFact) -> None:
    event_id = derived_id("preview", *preview.key, message.sequence)
    tx.emit(message, event_id=event_id, cause=preview.cause(tx.now))
