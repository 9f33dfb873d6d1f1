"""The audit of operators: one row for each thing that was asked for, in the transaction that carries it out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.console.store import QUERIES
from services.console.tokens import Operator
from shared.runtime.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks for a change, and why."""

    operator: Operator
    reason: str = ""


async def record(tx: Transaction, request: Request, action: str, job_id: str, details: Mapping[str, Any]) -> None:
    """Write down who did ``action`` to a job, with its ``details`` and the reason given. Nothing secret stands in ``details``."""
    operator = request.operator
    await tx.connection.execute(
        QUERIES.append_audit,
        tx.now,
        operator.name,
        operator.role,
        operator.token_id,
        action,
        job_id,
        json.dumps(details),
        request.reason,
    )
