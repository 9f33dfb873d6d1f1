"""A mail sink: a real SMTP server that keeps what it got, readable over HTTP."""

from simulators.mail.server import MailSimulator

__all__ = ["MailSimulator"]
