"""Composition root of notifier."""

from datetime import timedelta

from services.notifier.core import Timing
from services.notifier.handlers import on_conditions, on_outcomes
from services.notifier.mail import Gateway, SmtpUrlError, parse_smtp_url
from services.notifier.post import Post, Retries
from services.notifier.settings import NotifierSettings
from shared.contracts.outcomes import JobCondition, ProvisioningOutcome
from shared.contracts.topics import NOTIFIER
from shared.runtime.consume import Subscription
from shared.runtime.errors import StartRefusedError
from shared.runtime.service import Background, Service


def build(settings: NotifierSettings) -> Service:
    """Return the service; raises ``StartRefusedError`` when SEATKEEPER_SMTP_URL cannot be used."""
    return Service(
        name=NOTIFIER,
        settings=settings,
        subscriptions=[
            Subscription(message=ProvisioningOutcome, handler=on_outcomes),
            Subscription(message=JobCondition, handler=on_conditions),
        ],
        background=[Background(name="mail", run=build_post(settings).run)],
    )


def build_post(settings: NotifierSettings) -> Post:
    """Return the loop that writes and sends mails."""
    return Post(
        gateway=_gateway(settings),
        sender=settings.notifier_sender,
        console_url=settings.notifier_console_url,
        timing=Timing(
            collect=timedelta(seconds=settings.notifier_collect_seconds),
            longest=timedelta(seconds=settings.notifier_collect_longest_seconds),
            digest=timedelta(seconds=settings.notifier_digest_seconds),
        ),
        retries=Retries(
            first=timedelta(seconds=settings.notifier_retry_first_seconds),
            longest=timedelta(seconds=settings.notifier_retry_longest_seconds),
            give_up=timedelta(seconds=settings.notifier_give_up_seconds),
        ),
        poll_seconds=settings.notifier_poll_seconds,
    )


def _gateway(settings: NotifierSettings) -> Gateway | None:
    if settings.smtp_url is None or not settings.smtp_url.get_secret_value():
        return None
    try:
        server = parse_smtp_url(settings.smtp_url.get_secret_value())
    except SmtpUrlError as error:
        raise StartRefusedError(f"SEATKEEPER_SMTP_URL {error}") from None
    return Gateway(server, sender=settings.notifier_sender, timeout_seconds=settings.notifier_smtp_timeout_seconds)
