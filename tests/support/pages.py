"""The console's pages as a browser asks for them."""

from tests.support.builders_console import Console, Reply

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{8765*4321}}\u202e'
"""Text that would be markup, a template or a trick of direction if it were not only text."""


async def sign_in(console: Console, role: str = "viewer") -> str:
    """Sign in and return the cookie header."""
    reply = await post(console, "/sign-in", {"token": console.tokens[role]})
    assert (reply.status, reply.headers["Location"]) == (303, "/")
    cookie = reply.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert attribute in cookie
    assert console.tokens[role] not in cookie
    return cookie.partition(";")[0]


async def post(console: Console, path: str, form: dict[str, str], **headers: str) -> Reply:
    """Send a form."""
    async with console.http.post(f"{console.url}{path}", data=form, headers=headers, allow_redirects=False) as response:
        return Reply(status=response.status, headers=response.headers, raw=await response.read())


async def page(console: Console, path: str, cookie: str) -> Reply:
    """Ask for a page with that cookie."""
    return await console.call("GET", path, role=None, headers={"Cookie": cookie})
