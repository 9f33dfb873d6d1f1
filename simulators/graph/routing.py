"""Which endpoint answers a request to ``/v1.0``. Every path that is not listed fails loudly, so that a typo is noticed."""

import re
from collections.abc import Awaitable, Callable

from simulators.graph import (
    assignments,
    deleted_items,
    directory_objects,
    member_groups,
    resources,
    subscriptions,
    user_lookups,
)
from simulators.graph.call import Call
from simulators.graph.delta import delta
from simulators.graph.exchange import Reply
from simulators.graph.odata import GraphError, bad_request
from simulators.graph.pages import Page

_KEYED = re.compile(r"(\w+)\((appId=)?'([^']*)'\)", re.IGNORECASE)
_DELTA = frozenset({"delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"})
# "graph" is an alias of the namespace "microsoft.graph"; the client libraries use it.
_CASTS = frozenset({"microsoft.graph.user", "microsoft.graph.group", "graph.user", "graph.group"})

Found = Page | Reply | bytes
Answer = Callable[[Call], Found | Awaitable[Found]]
Methods = dict[str, Answer]


def route(method: str, path: str) -> tuple[str, Answer]:
    """The class of a request, for the journal and its cost, and what answers it: 400 for a path, 405 for a method."""
    segments: list[str] = []
    for segment in path.removeprefix("/v1.0/").rstrip("/").split("/"):
        keyed = _KEYED.fullmatch(segment)
        segments += [keyed[1], ("appId=" if keyed[2] else "") + keyed[3]] if keyed else [segment]
    if len(segments) == 2 and segments[1].casefold() in _DELTA:
        segments[1] = "delta"
    found = _read(segments) or _written(segments)
    if found is None:
        return "unknown", _unknown
    name, methods = found
    return name, methods.get(method, _not_allowed)


def _read(segments: list[str]) -> tuple[str, Methods] | None:
    answer: tuple[str, Answer] | None = None
    match segments:
        case ["servicePrincipals", "delta"]:
            answer = "servicePrincipals/delta", lambda call: delta(call, "servicePrincipals")
        case ["servicePrincipals", key]:
            answer = "servicePrincipal", lambda call: assignments.service_principal(call, key)
        case ["servicePrincipals", key, "appRoleAssignedTo"]:
            answer = "appRoleAssignedTo", lambda call: assignments.assigned_to(call, key)
        case ["servicePrincipals", key, "appRoleAssignedTo", "$count"]:
            answer = "appRoleAssignedTo/$count", lambda call: assignments.count(call, key)
        case ["servicePrincipals", key, "appRoleAssignedTo", assignment_id]:
            answer = "appRoleAssignment", lambda call: assignments.assignment(call, key, assignment_id)
        case ["directoryObjects", "delta"]:
            answer = "directoryObjects/delta", directory_objects.tracked
        case ["users" | "groups" as plural]:
            answer = plural, lambda call: _listing(call, plural)
        case ["users" | "groups" as plural, "delta"]:
            answer = f"{plural}/delta", lambda call: delta(call, plural)
        case ["users" | "groups" as plural, "$count"]:
            answer = f"{plural}/$count", lambda call: resources.count(call, plural[:-1])
        case ["users" | "groups" as plural, key]:
            answer = plural[:-1], lambda call: resources.entity(call, plural[:-1], key)
        case ["groups", key, "members"]:
            answer = "groups/members", lambda call: resources.members(call, key)
        case ["directory", "deletedItems", kind] if kind in _CASTS:
            answer = "deletedItems", lambda call: deleted_items.listing(call, kind.rpartition(".")[2])
    return (answer[0], {"GET": answer[1]}) if answer else None


def _listing(call: Call, plural: str) -> Found:
    if plural == "users" and call.options.get("$filter") is not None:
        return user_lookups.by_mail(call)
    return resources.listing(call, plural[:-1])


def _written(segments: list[str]) -> tuple[str, Methods] | None:
    found: tuple[str, Methods] | None = None
    match segments:
        case ["directory", "deletedItems", key]:
            methods: Methods = {
                "GET": lambda call: deleted_items.item(call, key),
                "DELETE": lambda call: deleted_items.purge(call, key),
            }
            found = "deletedItem", methods
        case ["directory", "deletedItems", key, "restore"]:
            found = "restore", {"POST": lambda call: deleted_items.restore(call, key)}
        case ["directoryObjects", "getByIds" | "microsoft.graph.getByIds"]:
            found = "getByIds", {"POST": directory_objects.by_ids}
        case ["users", key, "checkMemberGroups" | "microsoft.graph.checkMemberGroups"]:
            found = "checkMemberGroups", {"POST": lambda call: member_groups.of_user(call, key)}
        case ["groups", key, "checkMemberGroups" | "microsoft.graph.checkMemberGroups"]:
            found = "checkMemberGroups", {"POST": lambda call: member_groups.of_group(call, key)}
        case ["subscriptions"]:
            found = "subscriptions", {"GET": subscriptions.listing, "POST": subscriptions.create}
        case ["subscriptions", key]:
            methods = {
                "GET": lambda call: subscriptions.read(call, key),
                "PATCH": lambda call: subscriptions.renew(call, key),
                "DELETE": lambda call: subscriptions.delete(call, key),
            }
            found = "subscription", methods
        case ["subscriptions", key, "reauthorize"]:
            found = "reauthorize", {"POST": lambda call: subscriptions.reauthorize(call, key)}
    return found


def _unknown(call: Call) -> Found:
    segment = call.path.rstrip("/").rpartition("/")[2]
    raise bad_request(f"Resource not found for the segment '{segment[:60]}'.")


def _not_allowed(_: Call) -> Found:
    raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
