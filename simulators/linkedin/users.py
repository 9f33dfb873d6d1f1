"""The Users endpoint: create, find, read, change, replace, deactivate, with the license ledger as a side effect."""

import time
from typing import Any

import orjson

from simulators.linkedin import patch
from simulators.linkedin.accounts import Account, Accounts
from simulators.linkedin.answers import Answer, listing, selected
from simulators.linkedin.attributes import ENTERPRISE_USER, normalise_user
from simulators.linkedin.errors import GatewayError, ScimError
from simulators.linkedin.faults import Faults
from simulators.linkedin.filters import parse_equals
from simulators.linkedin.licenses import Configuration
from simulators.linkedin.settings import Settings


class Users:
    """The operations on `/Users`. Every method is synchronous, so each request is one step of the store."""

    def __init__(self, accounts: Accounts, settings: Settings, faults: Faults) -> None:
        self._accounts = accounts
        self._settings = settings
        self._faults = faults

    def query(self, query: dict[str, str]) -> Answer:
        """GET /Users: by filter; without one only if the settings allow a list."""
        text = query.get("filter")
        if text is None:
            return self._page(query)
        try:
            attribute, value = parse_equals(text)
            if attribute.startswith("emails"):
                attribute = "emails"
            if attribute not in {name.lower() for name in self._settings.userFilters}:
                raise ScimError(400, "Users can be filtered by externalId only.", "invalidFilter")
        except ScimError:
            if self._settings.unsupportedFilter == "emptyList":
                return Answer(body=listing([]))
            raise
        found = self._accounts.find(attribute, value)
        if self._faults and found:
            now = time.monotonic()
            found = [account for account in found if not self._faults.hides(now - account.visible_from, "Users")]
        return Answer(body=listing([selected(account.body, query) for account in found]))

    def read(self, account_id: str, query: dict[str, str], if_none_match: str | None) -> Answer:
        """GET /Users/{id}."""
        account = self._found(account_id)
        if if_none_match == account.etag:
            return Answer(status=304, headers={"ETag": account.etag})
        return Answer(body=selected(account.body, query), headers={"ETag": account.etag})

    def create(self, raw: bytes, configuration: Configuration, answer: Answer) -> Answer:
        """POST /Users: 201 with the resource; 409 uniqueness when an account has one of its unique attributes."""
        document = self._normalised(parsed(raw))
        answer.external_id = document.get("externalId")
        self._faults.reject("POST", "Users", answer.external_id, document.get("userName", ""))
        account = self._to_take_over(document)
        self._refuse_without_seat(configuration, account, document)
        if account is None:
            account = self._accounts.create(document)
        else:
            self._accounts.replace(account, document)
        self._settle(account, configuration)
        answer.status, answer.committed = 201, True
        answer.headers["Location"] = f"{self._accounts.base_url}/Users/{account.id}"
        return _with_resource(answer, account)

    def patch(
        self, account_id: str, raw: bytes, configuration: Configuration, answer: Answer, *, if_match: str | None
    ) -> Answer:
        """PATCH /Users/{id}: all operations or none."""
        account = self._found(account_id, if_match, answer)
        self._faults.reject("PATCH", "Users", account.external_id, account.user_name)
        document = patch.apply(account.document(), parsed(raw), required=frozenset(self._settings.required))
        self._store(account, document, configuration)
        answer.committed = True
        if self._settings.patchUserStatus == 204:
            answer.status, answer.headers["ETag"] = 204, account.etag
            return answer
        return _with_resource(answer, account)

    def replace(
        self, account_id: str, raw: bytes, configuration: Configuration, answer: Answer, *, if_match: str | None
    ) -> Answer:
        """PUT /Users/{id}: attributes that are not in the body are cleared."""
        account = self._found(account_id, if_match, answer)
        self._faults.reject("PUT", "Users", account.external_id, account.user_name)
        self._store(account, parsed(raw), configuration)
        answer.committed = True
        return _with_resource(answer, account)

    def delete(self, account_id: str, configuration: Configuration, answer: Answer) -> Answer:
        """DELETE /Users/{id}: refused, unless the settings make it deactivate or remove."""
        how = self._settings.deleteUser
        if how in ("405", "501"):
            raise ScimError(int(how), "Users cannot be deleted; set active to false instead.")
        account = self._found(account_id, None, answer)
        if how == "remove":
            self.remove(account)
        else:
            self._store(account, {**account.document(), "active": False}, configuration)
        answer.status, answer.committed = 204, True
        return answer

    def remove(self, account: Account) -> None:
        """Take the account away altogether, with its license."""
        release(account)
        self._accounts.remove(account)

    def _page(self, query: dict[str, str]) -> Answer:
        if self._settings.listWithoutFilter != "list":
            status = int(self._settings.listWithoutFilter)
            if status == 403:
                raise GatewayError(403, "Not enough permissions to access: list users", 100)
            raise ScimError(status, "Listing users is not supported; filter by externalId.")
        start, count = page_bounds(query)
        everyone = list(self._accounts)
        page = [selected(account.body, query) for account in everyone[start - 1 : start - 1 + count]]
        return Answer(body=listing(page, total=len(everyone), start=start))

    def _found(self, account_id: str, if_match: str | None = None, answer: Answer | None = None) -> Account:
        account = self._accounts.get(account_id)
        if account is None:
            raise ScimError(404, "There is no user with this id.")
        if answer is not None:
            answer.external_id = account.external_id
        if if_match is not None and if_match not in ("*", account.etag):
            raise ScimError(412, "The user has changed since this version.")
        return account

    def _normalised(self, document: object) -> dict[str, Any]:
        user = normalise_user(document, required=frozenset(self._settings.required))
        extension = user.get(ENTERPRISE_USER)
        if extension is not None and self._settings.unknownManager != "keep":
            manager = extension.get("manager", {}).get("value")
            if manager and self._accounts.get(manager) is None:
                if self._settings.unknownManager == "reject":
                    raise ScimError(400, "'manager' must hold the id of a user that exists.", "invalidValue")
                del extension["manager"]
        return user

    def _to_take_over(self, document: dict[str, Any]) -> Account | None:
        if self._settings.uniqueness == "allow":
            return None
        held = self._accounts.holder(document)
        if held is None:
            return None
        attribute, account = held
        if (
            self._settings.preexisting == "link"
            and not account.external_id
            and not self._accounts.find("externalid", document.get("externalId", ""))
        ):
            return account
        raise ScimError(409, f"Another user has this '{attribute}'.", "uniqueness")

    def _store(self, account: Account, raw: object, configuration: Configuration) -> None:
        document = self._normalised(raw)
        if self._settings.uniqueness == "conflict":
            held = self._accounts.holder(document, other_than=account)
            if held is not None:
                raise ScimError(409, f"Another user has this '{held[0]}'.", "uniqueness")
        self._refuse_without_seat(configuration, account, document)
        self._accounts.replace(account, document)
        self._settle(account, configuration)

    def _refuse_without_seat(
        self, configuration: Configuration, account: Account | None, document: dict[str, Any]
    ) -> None:
        if not self._faults or configuration.pool is None or not document["active"]:
            return
        if account is not None and account.active:
            return
        if not configuration.pool.available(monthly_cap=self._settings.monthlyAssignmentCap):
            method = "POST" if account is None else "PATCH"
            fault = self._faults.take("noSeatIsError", method, "Users")
            if fault is not None:
                status = fault.options.get("status", 403)
                if status in (401, 403, 429):
                    raise GatewayError(status, "No license is available")
                raise ScimError(status, "No license is available.")

    def _settle(self, account: Account, configuration: Configuration) -> None:
        """Bring the ledger in line: a license for who is active, if the configuration assigns them and one is left."""
        if not account.active:
            release(account)
            return
        pool = configuration.pool
        if (
            account.pool is None
            and pool is not None
            and pool.available(monthly_cap=self._settings.monthlyAssignmentCap)
        ):
            pool.take()
            account.pool, account.licensed_at = pool, time.time()


def parsed(raw: bytes) -> object:
    """The JSON of a body; ScimError 400 invalidSyntax when it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ScimError(400, "The body is not JSON.", "invalidSyntax") from None


def page_bounds(query: dict[str, str]) -> tuple[int, int]:
    """`startIndex` (1 or more) and `count` (0 to 1000, 100 without one) of a query (RFC 7644 section 3.4.2.4)."""
    try:
        start, count = int(query.get("startIndex", "1")), int(query.get("count", "100"))
    except ValueError:
        raise ScimError(400, "'startIndex' and 'count' must be whole numbers.", "invalidValue") from None
    return max(start, 1), min(max(count, 0), 1000)


def release(account: Account) -> None:
    """Free the account's license, if it has one."""
    if account.pool is not None:
        account.pool.in_use -= 1
        account.pool, account.licensed_at = None, None


def _with_resource(answer: Answer, account: Account) -> Answer:
    answer.body = account.body
    answer.resource_id = account.id
    answer.headers["ETag"] = account.etag
    return answer
