"""The store, the journal's ring and the ledger of the LinkedIn simulator, against plain models of them."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from simulators.linkedin.accounts import Account, Accounts, Index
from simulators.linkedin.answers import Answer
from simulators.linkedin.attributes import CORE_USER, PATCH_OP
from simulators.linkedin.errors import ScimError
from simulators.linkedin.faults import Faults
from simulators.linkedin.journal import Journal
from simulators.linkedin.licenses import Configurations
from simulators.linkedin.settings import Settings
from simulators.linkedin.users import Users

SEATS = 3


@given(capacity=st.integers(1, 7), writes=st.integers(0, 30), since=st.integers(0, 35), limit=st.integers(0, 12))
def test_the_ring_keeps_the_latest_writes_in_order(capacity: int, writes: int, since: int, limit: int) -> None:
    journal = Journal(capacity)
    for number in range(writes):
        journal.write(
            at=float(number),
            method="POST",
            resource="Users",
            resource_id=None,
            external_id=str(number),
            status=201,
            accepted=True,
        )
    kept = [number for number in range(1, writes + 1) if number > writes - capacity and number > since][:limit]
    read = journal.since(since, limit)
    assert [each["seq"] for each in read] == kept
    assert [each["externalId"] for each in read] == [str(number - 1) for number in kept]


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_the_index_counts_keys_held_more_than_once(steps: list[tuple[int, int]]) -> None:
    accounts = [Account(str(number), 0.0) for number in range(4)]
    index, model = Index(), dict[str, list[Account]]()
    for who, key_number in steps:
        account, key = accounts[who], str(key_number)
        if account in model.get(key, []):
            index.remove(key, account)
            model[key].remove(account)
        else:
            index.add(key, account)
            model.setdefault(key, []).append(account)
        assert index.shared == sum(len(held) > 1 for held in model.values())
        assert all(index.find(each) == held for each, held in model.items())


class Ledger(RuleBasedStateMachine):
    """Random creates and switches of `active`: the seats in use are always those of active users, and never too many."""

    people = Bundle("people")

    def __init__(self) -> None:
        super().__init__()
        self.accounts = Accounts("http://simulator.invalid/scim")
        self.users = Users(self.accounts, Settings(), Faults())
        self.configurations = Configurations()
        self.configuration, _ = self.configurations.create(
            name="c", auto_assign=True, application_instance="i", license_type="t", seats=SEATS
        )
        self.number = 0

    @rule(target=people, active=st.booleans())
    def create(self, active: bool) -> str:
        self.number += 1
        document = {
            "schemas": [CORE_USER],
            "externalId": str(self.number),
            "userName": f"{self.number}@x",
            "active": active,
        }
        answer = self.users.create(orjson.dumps(document), self.configuration, Answer())
        assert answer.resource_id is not None
        return answer.resource_id

    @rule(person=people, active=st.booleans())
    def switch(self, person: str, active: bool) -> None:
        operations: list[dict[str, Any]] = [{"op": "replace", "path": "active", "value": active}]
        self.users.patch(
            person,
            orjson.dumps({"schemas": [PATCH_OP], "Operations": operations}),
            self.configuration,
            Answer(),
            if_match=None,
        )

    @rule(person=people)
    def duplicate(self, person: str) -> None:
        account = self.accounts.get(person)
        assert account is not None
        document = {"schemas": [CORE_USER], "externalId": account.external_id, "userName": "other@x"}
        with pytest.raises(ScimError) as refused:
            self.users.create(orjson.dumps(document), self.configuration, Answer())
        assert refused.value.status == 409

    @invariant()
    def i2_never_more_licenses_than_seats(self) -> None:
        licensed = [account for account in self.accounts if account.pool is not None]
        assert self.configurations.in_use == len(licensed) <= SEATS
        assert all(account.active for account in licensed)

    @invariant()
    def i5_nobody_twice(self) -> None:
        assert self.accounts.duplicates == 0
        assert self.accounts.active == sum(account.active for account in self.accounts)


TestLedger = Ledger.TestCase
