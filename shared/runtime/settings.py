"""The environment variables that every service shares. Each service adds its own, with its name as the prefix."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.runtime.errors import StartRefusedError

_URL_SAFE = str.maketrans("-_", "+/")

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Environment(BaseSettings):
    """Variables that start with SEATKEEPER_, read from the environment only."""

    model_config = SettingsConfigDict(env_prefix="SEATKEEPER_", extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings, or raise ``StartRefusedError`` with one line that names every wrong variable."""
        try:
            return cls()
        except ValidationError as error:
            problems = "; ".join(
                f"SEATKEEPER_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
                for item in error.errors()
            )
            raise StartRefusedError(f"The settings are not usable. {problems}.") from None


class DatabaseSettings(Environment):
    """Where PostgreSQL is."""

    database_url: SecretStr = Field(description="PostgreSQL, for example postgresql://user@host:5432/seatkeeper")
    database_pool_connections: int = Field(default=6, ge=2, le=100, description="Connections of one process")
    database_command_timeout_seconds: Seconds = Field(default=60, description="Time limit of one statement")


class KafkaSettings(Environment):
    """Where Kafka is, and how to sign in there."""

    kafka_bootstrap_servers: str = Field(description="Kafka brokers, host:port separated by commas")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_security_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_security_username: str = ""
    kafka_security_password: SecretStr = SecretStr("")
    kafka_security_ca_file: Path | None = None
    kafka_request_timeout_seconds: Seconds = 15


class Settings(KafkaSettings, DatabaseSettings):
    """Settings of one service process."""

    secret_key: SecretStr | None = Field(default=None, description="32 bytes in base64: encrypts job secrets")
    secret_key_file: Path | None = Field(default=None, description="A file that holds the secret key")
    http_host: str = Field(default="127.0.0.1", description="Address of /livez, /readyz and /metrics")
    http_port: int = Field(default=8080, ge=0, le=65_535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    allow_insecure_loopback: bool = Field(default=False, description="Take http:// for loopback addresses")
    batch_records: int = Field(default=500, ge=1, le=5_000, description="Most records of one consumed batch")
    batch_wait_milliseconds: int = Field(default=20, ge=1, le=5_000)
    relay_batch_records: int = Field(default=500, ge=1, le=5_000)
    dead_letters_per_hour: int = Field(default=100, ge=0, description="Past this limit the consumer stops and says why")
    graceful_stop_seconds: Seconds = Field(default=15, description="Time for work in flight after SIGTERM")
    unknown_job_wait_seconds: Seconds = 60
    inbox_retention_days: int = Field(default=35, ge=1, description="Longer than the longest topic retention")
    crash_point: Annotated[str | None, NoDecode] = Field(
        default=None, description="Fault tests only: NAME:COUNT[:FILE]"
    )

    def secret_key_bytes(self) -> bytes:
        """Return the 32 bytes of the secret key; raise ``StartRefusedError`` when there is none or it is malformed."""
        if self.secret_key_file is not None:
            try:
                text = self.secret_key_file.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError):
                raise StartRefusedError(
                    f"SEATKEEPER_SECRET_KEY_FILE: {self.secret_key_file} cannot be read; check the path and its permissions."
                ) from None
        elif self.secret_key is not None:
            text = self.secret_key.get_secret_value()
        else:
            raise StartRefusedError(
                "SEATKEEPER_SECRET_KEY (or …_FILE) is not set; make one with: openssl rand -base64 32"
            )
        try:
            key = base64.b64decode(text.translate(_URL_SAFE) + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise StartRefusedError(
                "SEATKEEPER_SECRET_KEY must be 32 bytes in base64; make one with: openssl rand -base64 32"
            )
        return key
