"""``/subscriptions`` ("Create subscription", "Update subscription", "subscription: reauthorize", "Set up notifications")."""

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from simulators.graph.call import Call
from simulators.graph.exchange import Reply
from simulators.graph.instants import instant, seconds
from simulators.graph.odata import GraphError, bad_request, not_found

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

LONGEST_MINUTES = 41_760
"""How far ahead the expiry of a subscription to users or groups may lie."""
CHANGES = frozenset({"updated", "deleted"})
WRITABLE = frozenset({"expirationDateTime", "notificationUrl"})
_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_RESOURCE = re.compile(rf"(users|groups)(?:/({_ID})(/members)?)?", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Subscription:
    """Who is told about which changes until when. ``kind`` is "users" or "groups"; ``object_id`` narrows it to one object."""

    id: str
    resource: str
    kind: str
    object_id: str | None
    members_only: bool
    changes: frozenset[str]
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    expires: float
    application_id: str

    def as_json(self) -> dict[str, Any]:
        """The subscription as Graph shows it: ``clientState`` is never told again."""
        return {
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.application_id,
            "changeType": ",".join(sorted(self.changes, reverse=True)),
            "clientState": None,
            "notificationUrl": self.notification_url,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": instant(None, self.expires),
            "creatorId": self.application_id,
            "latestSupportedTlsVersion": "v1_2",
            "notificationUrlAppId": None,
        }


def living(sim: "Simulation") -> dict[str, Subscription]:
    """The subscriptions that have not expired, by id; those that have are forgotten."""
    now = sim.clock.now()
    for gone in [one.id for one in sim.subscriptions.values() if one.expires <= now]:
        del sim.subscriptions[gone]
    return sim.subscriptions


def listing(call: Call) -> Reply:
    """Every subscription of the application."""
    context = f"{call.origin}/v1.0/$metadata#subscriptions"
    return Reply.json({"@odata.context": context, "value": [one.as_json() for one in living(call.sim).values()]})


def read(call: Call, key: str) -> Reply:
    """One subscription."""
    return _shown(call, _find(call, key))


async def create(call: Call) -> Reply:
    """Make a subscription once every URL has proven that it listens; 201, or 400 for what it asks, 403 for the quota."""
    asked = call.content
    if not isinstance(asked, dict):
        raise bad_request("A subscription is needed.")
    found = _RESOURCE.fullmatch(str(asked.get("resource", "")).strip("/"))
    if found is None or (found[3] and found[1].casefold() != "groups"):
        raise bad_request("Resource not supported: users, groups, or one of them, or the members of a group.")
    kind = found[1].casefold()
    needed = call.sim.knobs.group_subscription_needs
    if not call.may_read("user" if kind == "users" else "deleted group" if needed == "Group.Read.All" else "group"):
        raise GraphError(403, "ExtensionError", "Operation: Create; Exception: [Status Code: Forbidden]")
    made = Subscription(
        id=call.sim.directory.new_id(),
        resource=str(asked["resource"]),
        kind=kind,
        object_id=found[2].casefold() if found[2] else None,
        members_only=bool(found[3]),
        changes=_changes(asked.get("changeType")),
        notification_url=_url(asked, "notificationUrl"),
        lifecycle_url=_url(asked, "lifecycleNotificationUrl") if asked.get("lifecycleNotificationUrl") else None,
        client_state=_client_state(asked.get("clientState")),
        expires=_expiry(call, asked.get("expirationDateTime")),
        application_id=call.sim.directory.tenant.client_id,
    )
    if len(living(call.sim)) >= call.sim.knobs.subscription_quota:
        raise GraphError(403, "ExtensionError", "Operation: Create; the application has too many subscriptions.")
    for url in dict.fromkeys(filter(None, (made.notification_url, made.lifecycle_url))):
        if problem := await call.sim.notifier.shake_hands(url):
            raise GraphError(400, "ValidationError", f"Subscription validation request failed. {problem}")
    call.sim.subscriptions[made.id] = made
    return _shown(call, made, 201)


async def renew(call: Call, key: str) -> Reply:
    """Move the expiry, or the notification URL after a handshake; a lifecycle URL cannot be added later."""
    found, asked = _find(call, key), call.content
    if not isinstance(asked, dict) or not asked or set(asked) - WRITABLE:
        raise bad_request("Only expirationDateTime and notificationUrl can be updated.")
    expires = _expiry(call, asked["expirationDateTime"]) if "expirationDateTime" in asked else found.expires
    if "notificationUrl" in asked:
        url = _url(asked, "notificationUrl")
        if problem := await call.sim.notifier.shake_hands(url):
            raise GraphError(400, "ValidationError", f"Subscription validation request failed. {problem}")
        found.notification_url = url
    found.expires = expires
    return _shown(call, found)


def delete(call: Call, key: str) -> Reply:
    """End a subscription; 204."""
    del call.sim.subscriptions[_find(call, key).id]
    return Reply(status=204)


def reauthorize(call: Call, key: str) -> Reply:
    """Answer a ``reauthorizationRequired`` event; 204."""
    found = _find(call, key)
    call.sim.notifier.reauthorized.append(found.id)
    return Reply(status=204)


def _find(call: Call, key: str) -> Subscription:
    found = living(call.sim).get(key.casefold())
    if found is None:
        raise not_found(key[:80])
    return found


def _shown(call: Call, found: Subscription, status: int = 200) -> Reply:
    context = f"{call.origin}/v1.0/$metadata#subscriptions/$entity"
    return Reply.json({"@odata.context": context, **found.as_json()}, status)


def _changes(text: Any) -> frozenset[str]:
    changes = frozenset(part.strip().casefold() for part in str(text or "").split(","))
    if not changes <= CHANGES:
        raise bad_request("changeType must be updated, deleted or both for this resource.")
    return changes


def _url(asked: dict[str, Any], name: str) -> str:
    url = asked.get(name)
    parts = urlsplit(url if isinstance(url, str) else "")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and loopback(parts.hostname))):
        raise bad_request(f"{name} must be an https URL (http on a loopback address).")
    return str(url)


def loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _client_state(text: Any) -> str | None:
    if text is not None and (not isinstance(text, str) or len(text) > 128):
        raise bad_request("clientState must be a text of at most 128 characters.")
    return text


def _expiry(call: Call, text: Any) -> float:
    now = call.sim.clock.now()
    try:
        expires = seconds(str(text))
    except ValueError:
        raise bad_request("expirationDateTime must be an instant.") from None
    if not now < expires <= now + LONGEST_MINUTES * 60:
        raise bad_request(f"Subscription expiration can only be {LONGEST_MINUTES} minutes in the future.")
    return expires
