"""`/_sim`: what a test or an operator of the simulator may see and do that no client of the service can."""

import time
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web

from simulators.linkedin import control_input as given
from simulators.linkedin.accounts import Account
from simulators.linkedin.attributes import CORE_USER, ENTERPRISE_USER, normalise_user
from simulators.linkedin.control_input import InputError
from simulators.linkedin.errors import ScimError
from simulators.linkedin.licenses import Configuration
from simulators.linkedin.scim_endpoint import ScimEndpoint
from simulators.linkedin.settings import SettingError
from simulators.linkedin.users import release

_CONFIGURATION: Final = frozenset({"name", "autoAssign", "applicationInstance", "licenseType", "seats"})
_CONFIGURATION_CHANGE: Final = frozenset({"seats", "expired", "entitled"})
_ANYWHERE: Final = 1_000_000_000


class Control:
    """The control plane of one simulator."""

    def __init__(self, scim: ScimEndpoint) -> None:
        self._scim = scim
        self._routes: dict[tuple[str, str], Callable[[str, bytes, dict[str, str]], Any]] = {
            ("GET", "health"): lambda *_: {"status": "ok"},
            ("GET", "state"): self._state,
            ("GET", "configurations"): self._configurations,
            ("POST", "configurations"): self._configure,
            ("PATCH", "configurations"): self._reconfigure,
            ("DELETE", "configurations"): self._unconfigure,
            ("GET", "settings"): lambda *_: scim.settings.as_json(),
            ("PATCH", "settings"): self._set,
            ("POST", "users"): self._place,
            ("PATCH", "users"): self._edit,
            ("DELETE", "users"): self._erase,
            ("GET", "groups"): self._groups,
            ("DELETE", "groups"): self._erase_groups,
            ("GET", "writes"): self._writes,
            ("DELETE", "journal"): self._reset,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._lift,
        }

    async def handle(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Answer one request; `path` is what follows `/_sim/`. Bad input is 400 with the field's name."""
        name, _, rest = path.partition("/")
        query = dict(request.query)
        if (request.method, name) == ("GET", "users"):
            return await self._users(request, query)
        route = self._routes.get((request.method, name))
        if route is None:
            known = any(resource == name for _, resource in self._routes)
            return _json({"error": "There is no such control."}, 405 if known else 404)
        try:
            content = route(rest, await request.read(), query)
        except (InputError, SettingError) as error:
            status, content = 400, {"error": f"{error.field}: {error}", "field": error.field}
        except ScimError as error:
            status, content = error.status, {"error": error.detail, "field": "body"}
        except LookupError as error:
            status, content = 404, {"error": str(error.args[0])}
        else:
            status = 201 if request.method == "POST" else 200
        return web.Response(status=204) if content is None else _json(content, status)

    def _state(self, *_: object) -> dict[str, Any]:
        scim = self._scim
        return {
            "users": len(scim.accounts),
            "active": scim.accounts.active,
            "duplicates": scim.accounts.duplicates,
            "groups": len(scim.groups),
            "memberships": scim.groups.memberships,
            "licensesInUse": scim.configurations.in_use,
            "seats": scim.configurations.seats,
            "pools": [
                {
                    "applicationInstance": pool.application_instance,
                    "licenseType": pool.license_type,
                    "seats": pool.seats,
                    "inUse": pool.in_use,
                }
                for pool in scim.configurations.pools
            ],
            "requests": scim.journal.requests,
            "statuses": scim.journal.statuses,
            "cpuSeconds": time.process_time() - scim.journal.cpu_from,
            "inFlightMax": scim.journal.in_flight_max,
        }

    def _configurations(self, *_: object) -> list[dict[str, Any]]:
        return [_configuration(configuration) for configuration in self._scim.configurations.all]

    def _configure(self, rest: str, raw: bytes, _: object) -> dict[str, Any]:
        if rest:
            configuration_id, _, verb = rest.partition("/")
            configuration = self._configuration(configuration_id)
            if verb != "reissue":
                raise LookupError("A configuration can only be reissued.")
            token = self._scim.configurations.reissue(configuration)
        else:
            content = given.json_object(raw)
            given.only(content, _CONFIGURATION)
            auto_assign = given.flag(content, "autoAssign", True)
            configuration, token = self._scim.configurations.create(
                name=given.text(content, "name"),
                auto_assign=auto_assign,
                application_instance=given.text(content, "applicationInstance", needed=auto_assign),
                license_type=given.text(content, "licenseType", needed=auto_assign),
                seats=given.whole(content, "seats"),
            )
        return {"id": configuration.id, "token": token, "tenantUrl": self._scim.accounts.base_url}

    def _reconfigure(self, rest: str, raw: bytes, _: object) -> dict[str, Any]:
        configuration = self._configuration(rest)
        content = given.json_object(raw)
        given.only(content, _CONFIGURATION_CHANGE)
        seats = given.whole(content, "seats")
        if seats is not None and configuration.pool is None:
            raise InputError("seats", "This configuration assigns no licenses.")
        expired, entitled = (
            given.flag(content, "expired", configuration.expired),
            given.flag(content, "entitled", configuration.entitled),
        )
        configuration.expired, configuration.entitled = expired, entitled
        if seats is not None and configuration.pool is not None:
            configuration.pool.seats = seats
        return _configuration(configuration)

    def _unconfigure(self, rest: str, *_: object) -> None:
        self._scim.configurations.remove(self._configuration(rest))

    def _configuration(self, configuration_id: str) -> Configuration:
        configuration = self._scim.configurations.get(configuration_id)
        if configuration is None:
            raise LookupError("There is no configuration with this id.")
        return configuration

    def _set(self, _: str, raw: bytes, __: object) -> dict[str, Any]:
        self._scim.settings.change(given.json_object(raw))
        return self._scim.settings.as_json()

    def _place(self, _: str, raw: bytes, __: object) -> dict[str, Any]:
        """Place accounts as if by hand in the admin center: no token, no license, no uniqueness unless it is checked here."""
        content = given.json_object(raw)
        if "users" in content:
            given.only(content, frozenset({"users"}))
            if not isinstance(content["users"], list):
                raise InputError("users", "Must be an array.")
            documents = [self._placeable(each) for each in content["users"]]
            return {"ids": [self._scim.accounts.create(document).id for document in documents]}
        return {"id": self._scim.accounts.create(self._placeable(content)).id}

    def _placeable(self, content: object) -> dict[str, Any]:
        if not isinstance(content, dict):
            raise InputError("users", "Must hold objects.")
        document = {**content}
        allow_duplicate = given.flag(document, "allowDuplicate", False)
        document.pop("allowDuplicate", None)
        user = normalise_user({"schemas": [CORE_USER, ENTERPRISE_USER], **document}, required=frozenset({"userName"}))
        held = None if allow_duplicate else self._scim.accounts.holder(user)
        if held is not None:
            raise InputError(held[0], "Another user has it; say allowDuplicate to place one all the same.")
        return user

    def _edit(self, rest: str, raw: bytes, _: object) -> dict[str, Any]:
        """Change an account behind the client's back; attributes that are null are removed."""
        account = self._account(rest)
        changed = normalise_user({**account.document(), **given.json_object(raw)}, required=frozenset({"userName"}))
        self._scim.accounts.replace(account, changed)
        if not account.active:
            release(account)
        return _user(account)

    def _erase(self, rest: str, *_: object) -> None:
        if rest:
            accounts, whole = [self._account(rest)], False
        else:
            accounts, whole = list(self._scim.accounts), True
        for account in accounts:
            self._scim.users.remove(account)
            if not whole:
                self._scim.groups.forget_member(account.id)
        if whole:
            self._scim.groups.clear()

    def _account(self, account_id: str) -> Account:
        account = self._scim.accounts.get(account_id)
        if account is None:
            raise LookupError("There is no user with this id.")
        return account

    def _groups(self, rest: str, *_: object) -> Any:
        groups = self._scim.groups
        if not rest:
            return [groups.as_json(group) for group in groups]
        group = groups.get(rest)
        if group is None:
            raise LookupError("There is no group with this id.")
        return groups.as_json(group)

    def _erase_groups(self, rest: str, *_: object) -> None:
        """Take one group, or every one, away behind the client's back."""
        if not rest:
            self._scim.groups.clear()
        elif not self._scim.groups.remove(rest):
            raise LookupError("There is no group with this id.")

    async def _users(self, request: web.BaseRequest, query: dict[str, str]) -> web.StreamResponse:
        """All accounts in order of creation, sent in pieces so that 100,000 of them do not stop the SCIM endpoint."""
        try:
            start, count = _number(query, "offset", 0), _number(query, "limit", _ANYWHERE)
        except InputError as error:
            return _json({"error": f"{error.field}: {error}", "field": error.field}, 400)
        accounts = list(self._scim.accounts)
        if "externalId" in query:
            accounts = self._scim.accounts.find("externalid", query["externalId"])
        accounts = accounts[start : start + count]
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for position in range(0, len(accounts), 500):
            piece = b",".join(orjson.dumps(_user(account)) for account in accounts[position : position + 500])
            await response.write((b"," if position else b"[") + piece)
        await response.write(b"]" if accounts else b"[]")
        await response.write_eof()
        return response

    def _writes(self, _: str, __: bytes, query: dict[str, str]) -> list[dict[str, Any]]:
        return self._scim.journal.since(_number(query, "since", 0), _number(query, "limit", 10_000))

    def _reset(self, *_: object) -> None:
        self._scim.journal.reset()

    def _faults(self, rest: str, *_: object) -> Any:
        if not rest:
            return [fault.as_json() for fault in self._scim.faults.all]
        fault = self._scim.faults.get(rest)
        if fault is None:
            raise LookupError("There is no fault with this id; it may be used up.")
        return fault.as_json()

    def _add_fault(self, _: str, raw: bytes, __: object) -> dict[str, Any]:
        return {"id": self._scim.faults.add(**given.fault(given.json_object(raw))).id}

    def _lift(self, rest: str, *_: object) -> None:
        if not rest:
            self._scim.faults.clear()
        elif not self._scim.faults.remove(rest):
            raise LookupError("There is no fault with this id; it may be used up.")


def _number(query: dict[str, str], field: str, default: int) -> int:
    text = query.get(field, str(default))
    if not text.isdecimal():
        raise InputError(field, "Must be a whole number, 0 or more.")
    return int(text)


def _configuration(configuration: Configuration) -> dict[str, Any]:
    pool = configuration.pool
    return {
        "id": configuration.id,
        "name": configuration.name,
        "autoAssign": configuration.auto_assign,
        "applicationInstance": pool.application_instance if pool else None,
        "licenseType": pool.license_type if pool else None,
        "seats": pool.seats if pool else None,
        "expired": configuration.expired,
        "entitled": configuration.entitled,
        "createdAt": configuration.created_at,
    }


def _user(account: Account) -> dict[str, Any]:
    return {
        **account.document(),
        "id": account.id,
        "externalId": account.external_id,
        "userName": account.user_name,
        "active": account.active,
        "licensed": account.pool is not None,
        "licensedAt": account.licensed_at,
        "createdAt": account.created_at,
        "updatedAt": account.updated_at,
    }


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
