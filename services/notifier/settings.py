"""Environment variables of notifier, beside those that every service has."""

from pydantic import Field, SecretStr

from shared.runtime.settings import Seconds, Settings


class NotifierSettings(Settings):
    """Settings of notifier; the variables start with ``SEATKEEPER_NOTIFIER_``, but for ``SEATKEEPER_SMTP_URL``."""

    smtp_url: SecretStr | None = Field(
        default=None,
        description="Mail server: smtp://user:password@host:587 or smtps://…:465; ?starttls=required, auto or never",
    )
    notifier_sender: str = Field(
        default="seatkeeper@localhost",
        pattern=r"^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$",
        description="From address of the mails; its domain is also told to the mail server as ours",
    )
    notifier_console_url: str = Field(
        default="", description="Address of the console, for links in mails; without it there are none"
    )
    notifier_collect_seconds: Seconds = Field(
        default=5, description="Quiet time after a failure before its mail: failures that come meanwhile join it"
    )
    notifier_collect_longest_seconds: Seconds = Field(
        default=60, description="Longest time from the first failure to its mail while failures keep coming"
    )
    notifier_digest_seconds: Seconds = Field(
        default=900, description="Shortest time between two mails of one kind about one job"
    )
    notifier_retry_first_seconds: Seconds = Field(
        default=5, description="Wait after the mail server refused a mail for the first time; it doubles each time"
    )
    notifier_retry_longest_seconds: Seconds = Field(default=3600, description="Longest wait between two attempts")
    notifier_give_up_seconds: float = Field(
        default=259_200, gt=0, le=2_592_000, description="Age at which a mail that nobody takes is given up (3 days)"
    )
    notifier_smtp_timeout_seconds: Seconds = Field(default=30, description="Time limit of each answer of the server")
    notifier_poll_seconds: Seconds = Field(default=0.5, description="How often due mails are looked for")


ServiceSettings = NotifierSettings
