"""How this process reaches Kafka, and the check that the topics it needs are there."""

import asyncio
import ssl
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.contracts.topics import TOPICS, consumed_by
from shared.runtime.errors import StartRefusedError
from shared.runtime.health import Health
from shared.runtime.settings import KafkaSettings, Settings

RETRY_SECONDS = 0.5


def connection_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Return the options that every aiokafka client of this process shares."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": client_id,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_security_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_security_sasl_mechanism,
            "sasl_plain_username": settings.kafka_security_username,
            "sasl_plain_password": settings.kafka_security_password.get_secret_value(),
        }
    return options


async def check_topics(service: str, settings: Settings, health: Health) -> None:
    """Wait for Kafka, then raise ``StartRefusedError`` naming the topics that ``service`` needs and that are missing."""
    needed = {topic.name for topic in consumed_by(service)} | {
        topic.name for topic in TOPICS.values() if service in topic.producers
    }
    needed |= {topic.dead_letters(service) for topic in consumed_by(service)}
    while True:
        admin = AIOKafkaAdminClient(
            request_timeout_ms=5000, **connection_options(settings, f"seatkeeper-{service}-check")
        )
        try:
            await admin.start()
            present = set(await admin.list_topics())
        except (KafkaError, OSError) as error:
            health.wait_for(
                "kafka", f"Kafka cannot be reached at {settings.kafka_bootstrap_servers} ({type(error).__name__})"
            )
            await asyncio.sleep(RETRY_SECONDS)
        else:
            health.arrived("kafka")
            if missing := sorted(needed - present):
                raise StartRefusedError(
                    f"Topics are missing for {service}: {', '.join(missing)}. Run: seatkeeper topics"
                )
            return
        finally:
            await admin.close()
