"""The LinkedIn simulator holds 100,000 accounts: what one of them costs."""

import tracemalloc

from simulators.linkedin.accounts import Accounts
from simulators.linkedin.attributes import CORE_USER, normalise_user

COUNT = 2000
MOST_BYTES = 2500


def test_an_account_costs_little_more_than_its_resource() -> None:
    accounts = Accounts("http://simulator.invalid/scim")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(COUNT):
        name = f"person{number}@example.com"
        document = {
            "schemas": [CORE_USER],
            "externalId": f"person-{number}",
            "userName": name,
            "displayName": f"Person {number}",
            "emails": [{"type": "work", "value": name}],
        }
        accounts.create(normalise_user(document, required=frozenset()))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / COUNT < MOST_BYTES
