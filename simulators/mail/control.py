"""`/_sim` of the mail sink, and a page at `/` for people."""

import html
import time
from typing import Final

import orjson
from aiohttp import web

from simulators.mail.faults import FaultError, Faults
from simulators.mail.mailbox import Mailbox

_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Inbox ({count})</title>
<style>body{{font:16px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
article{{border:1px solid #bbb;padding:1rem;margin:1rem 0}}
pre{{white-space:pre-wrap}}</style><main><h1>Inbox ({count})</h1>{articles}</main></html>"""
_ARTICLE: Final = (
    "<article><h2>{subject}</h2><p>From {sender} to {recipients}, {at}. "
    '<a href="/_sim/messages/{id}/raw">Raw message</a></p><pre>{text}</pre></article>'
)


class Control:
    """The HTTP side of one mail sink."""

    def __init__(self, mailbox: Mailbox, faults: Faults) -> None:
        self._mailbox = mailbox
        self._faults = faults

    def application(self) -> web.Application:
        """The application with every route."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self._page),
                web.get("/_sim/health", self._health),
                web.get("/_sim/state", self._state),
                web.get("/_sim/messages", self._messages),
                web.get("/_sim/messages/{id}/raw", self._raw),
                web.delete("/_sim/messages", self._clear),
                web.get("/_sim/faults", self._list_faults),
                web.post("/_sim/faults", self._add_fault),
                web.delete("/_sim/faults", self._lift_faults),
                web.delete("/_sim/faults/{id}", self._lift_fault),
            ]
        )
        return application

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _state(self, _: web.Request) -> web.Response:
        counts = {"messages": len(self._mailbox), "received": self._mailbox.received, "cpuSeconds": time.process_time()}
        return _json(counts)

    async def _messages(self, request: web.Request) -> web.Response:
        """All messages, oldest first; `?to=` keeps those to one recipient."""
        recipient = request.query.get("to", "").casefold()
        kept = [
            message.as_json()
            for message in self._mailbox.all
            if not recipient or recipient in (each.casefold() for each in message.recipients)
        ]
        return _json(kept)

    async def _raw(self, request: web.Request) -> web.Response:
        message = self._mailbox.get(request.match_info["id"])
        if message is None:
            return _json({"error": "There is no message with this id; it may have been let go."}, 404)
        return web.Response(body=message.raw, content_type="message/rfc822")

    async def _clear(self, _: web.Request) -> web.Response:
        self._mailbox.clear()
        return web.Response(status=204)

    async def _list_faults(self, _: web.Request) -> web.Response:
        return _json([fault.as_json() for fault in self._faults.all])

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = self._faults.add(orjson.loads(await request.read()))
        except orjson.JSONDecodeError:
            return _json({"error": "body: Must be a JSON object.", "field": "body"}, 400)
        except FaultError as error:
            return _json({"error": f"{error.field}: {error}", "field": error.field}, 400)
        return _json({"id": fault.id}, 201)

    async def _lift_faults(self, _: web.Request) -> web.Response:
        self._faults.clear()
        return web.Response(status=204)

    async def _lift_fault(self, request: web.Request) -> web.Response:
        if not self._faults.remove(request.match_info["id"]):
            return _json({"error": "There is no fault with this id; it may be used up."}, 404)
        return web.Response(status=204)

    async def _page(self, _: web.Request) -> web.Response:
        """The last hundred messages, newest first, as text: the HTML of a mail is never run here."""
        articles = []
        for stored in reversed(self._mailbox.all[-100:]):
            shown = stored.as_json()
            articles.append(
                _ARTICLE.format(
                    id=stored.id,
                    subject=html.escape(shown["subject"]),
                    sender=html.escape(stored.sender),
                    recipients=html.escape(", ".join(stored.recipients)),
                    at=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stored.at)),
                    text=html.escape(shown["text"] or shown["html"] or ""),
                )
            )
        page = _PAGE.format(count=len(self._mailbox), articles="".join(articles) or "<p>No mail yet.</p>")
        return web.Response(
            text=page,
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )


def _json(content: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")
