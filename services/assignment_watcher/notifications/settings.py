"""Environment variables of change notifications; without the address nothing of all this happens."""

from pydantic import Field

from shared.contracts.addresses import check_address
from shared.runtime.errors import StartRefusedError
from shared.runtime.settings import Settings

VARIABLE = "SEATKEEPER_ASSIGNMENT_WATCHER_NOTIFICATION_URL"
LONGEST_URL = 1_000


class NotificationSettings(Settings):
    """Where Microsoft Graph sends change notifications to, and where this process listens for them."""

    assignment_watcher_notification_url: str = Field(
        default="", description="Public https address of the notification endpoint; empty: no change notifications"
    )
    assignment_watcher_notification_host: str = Field(
        default="127.0.0.1", description="Address that the notification endpoint listens on, behind a TLS proxy"
    )
    assignment_watcher_notification_port: int = Field(default=8090, ge=0, le=65_535)

    def notification_base(self) -> str | None:
        """Return the public address without a slash at its end, or nothing when change notifications are off.

        Raises ``StartRefusedError`` when it is none that Microsoft Graph could be given.
        """
        url = self.assignment_watcher_notification_url.strip().rstrip("/")
        if not url:
            return None
        problem = check_address(VARIABLE, url, allow_insecure_loopback=self.allow_insecure_loopback)
        if problem is not None:
            raise StartRefusedError(f"{VARIABLE} {problem.message}")
        if "?" in url or not url.isprintable() or " " in url or len(url) > LONGEST_URL:
            raise StartRefusedError(f"{VARIABLE} holds a query or spaces, or is too long; write https://host/path")
        return url
