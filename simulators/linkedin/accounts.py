"""The accounts of the one enterprise account: by id, and by the three attributes that are unique in it.

An account keeps its resource only as the bytes that go on the wire, so that 100,000 of them fit in memory and a read costs a
look-up; a change parses those bytes again.
"""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from simulators.linkedin.attributes import work_emails
from simulators.linkedin.licenses import Pool


class Account:
    """One user of the service and its place in the license ledger; times are epoch seconds."""

    __slots__ = (
        "active", "body", "created_at", "emails", "external_id", "id", "licensed_at", "pool", "updated_at", "user_name", "version",
        "visible_from",
    )  # fmt: skip

    def __init__(self, account_id: str, now: float) -> None:
        self.id: Final = account_id
        self.created_at: Final = now
        self.updated_at = now
        self.version = 0
        self.external_id: str | None = None
        self.user_name = ""
        self.emails: tuple[str, ...] = ()
        self.active = True
        self.body = b""
        self.pool: Pool | None = None
        self.licensed_at: float | None = None
        self.visible_from = time.monotonic()

    @property
    def etag(self) -> str:
        """The weak entity tag that `meta.version` and the ETag header carry."""
        return f'W/"{self.version}"'

    def document(self) -> dict[str, Any]:
        """The resource without `id` and `meta`, free to be changed by the caller."""
        document: dict[str, Any] = orjson.loads(self.body)
        del document["id"], document["meta"]
        return document


class Index:
    """Accounts by a key that should be unique and, for accounts placed by hand, may not be."""

    def __init__(self) -> None:
        self._held: dict[str, Account | list[Account]] = {}
        self.shared = 0

    def find(self, key: str) -> list[Account]:
        """All accounts with this key, oldest first."""
        held = self._held.get(key)
        if held is None:
            return []
        return held if isinstance(held, list) else [held]

    def add(self, key: str, account: Account) -> None:
        """Note that `account` has `key`."""
        held = self._held.get(key)
        if held is None:
            self._held[key] = account
        elif isinstance(held, list):
            held.append(account)
        else:
            self._held[key] = [held, account]
            self.shared += 1

    def remove(self, key: str, account: Account) -> None:
        """Note that `account` no longer has `key`."""
        held = self._held.get(key)
        if isinstance(held, list):
            held.remove(account)
            if len(held) == 1:
                self._held[key] = held[0]
                self.shared -= 1
        elif held is account:
            del self._held[key]


class Accounts:
    """The store. `base_url` is the tenant URL that `meta.location` starts with."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._random = random.Random()
        self.clear()

    def clear(self) -> None:
        """Forget every account."""
        self._by_id: dict[str, Account] = {}
        self._by_external_id = Index()
        self._by_user_name = Index()
        self._by_email = Index()
        self.active = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Account]:
        return iter(list(self._by_id.values()))

    @property
    def duplicates(self) -> int:
        """How many externalIds and user names are held by more than one account."""
        return self._by_external_id.shared + self._by_user_name.shared

    def get(self, account_id: str) -> Account | None:
        """The account with this id."""
        return self._by_id.get(account_id)

    def find(self, attribute: str, value: str) -> list[Account]:
        """Accounts whose lower-case `attribute` equals `value`: externalId exactly, the others without regard to case."""
        if attribute == "externalid":
            return self._by_external_id.find(value)
        if attribute == "username":
            return self._by_user_name.find(value.casefold())
        if attribute == "id":
            account = self._by_id.get(value)
            return [account] if account else []
        return self._by_email.find(value.casefold())

    def holder(self, document: dict[str, Any], other_than: Account | None = None) -> tuple[str, Account] | None:
        """The first unique attribute of `document` that another account holds, and that account."""
        for account in self._by_external_id.find(document.get("externalId") or ""):
            if account is not other_than:
                return "externalId", account
        for account in self._by_user_name.find(document.get("userName", "").casefold()):
            if account is not other_than:
                return "userName", account
        for email in work_emails(document):
            for account in self._by_email.find(email):
                if account is not other_than:
                    return "emails", account
        return None

    def create(self, document: dict[str, Any]) -> Account:
        """Store a new account; the caller has checked the document and its uniqueness."""
        now = time.time()
        account = Account(f"{self._random.getrandbits(80):020x}", now)
        self._by_id[account.id] = account
        self.active += account.active
        self._write(account, document, now)
        return account

    def replace(self, account: Account, document: dict[str, Any]) -> bool:
        """Give `account` a new document; False, and nothing happens, when it is the one it has (RFC 7644 section 3.5.2.1)."""
        if document == account.document():
            return False
        self._unindex(account)
        self._write(account, document, time.time())
        return True

    def remove(self, account: Account) -> None:
        """Forget the account."""
        self._unindex(account)
        self.active -= account.active
        del self._by_id[account.id]

    def _write(self, account: Account, document: dict[str, Any], now: float) -> None:
        active = bool(document.get("active", True))
        self.active += active - account.active
        account.active = active
        account.external_id = document.get("externalId")
        account.user_name = document.get("userName", "")
        account.emails = work_emails(document)
        account.updated_at = now
        account.version += 1
        serialised = orjson.dumps(
            {
                "schemas": document["schemas"],
                "id": account.id,
                **document,
                "meta": {
                    "resourceType": "User",
                    "created": timestamp(account.created_at),
                    "lastModified": timestamp(now),
                    "location": f"{self.base_url}/Users/{account.id}",
                    "version": account.etag,
                },
            }
        )
        # The serialiser's own bytes keep its whole buffer, several times what is in it; a copy does not.
        account.body = bytes(memoryview(serialised))
        if account.external_id:
            self._by_external_id.add(account.external_id, account)
        if account.user_name:
            self._by_user_name.add(account.user_name.casefold(), account)
        for email in account.emails:
            self._by_email.add(email, account)

    def _unindex(self, account: Account) -> None:
        if account.external_id:
            self._by_external_id.remove(account.external_id, account)
        if account.user_name:
            self._by_user_name.remove(account.user_name.casefold(), account)
        for email in account.emails:
            self._by_email.remove(email, account)


def timestamp(seconds: float) -> str:
    """The RFC 3339 form, in UTC with microseconds, of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
