"""The whole service over real Kafka and PostgreSQL: what others publish is shown, what operators do is published."""

import socket
from typing import Any

import aiohttp
import asyncpg
import orjson

from services.console.app import build
from services.console.settings import ConsoleSettings
from services.console.tokens import create_token
from shared.contracts.control import JobRecord, OperatorRequest
from tests.support.builders_console import DEFINITION, assignment, change, outcome, received
from tests.support.eventually import eventually
from tests.support.frames import publish, reading, running_service, settings_for


async def test_from_the_topics_to_the_api_and_from_the_api_to_the_topics(database_url: str, kafka: str) -> None:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    settings = settings_for(database_url, kafka, ConsoleSettings).model_copy(update={"http_port": port})
    url = f"http://127.0.0.1:{port}"
    async with running_service(build(settings)), aiohttp.ClientSession() as http:

        async def call(method: str, path: str, body: Any = None) -> Any:
            async with http.request(method, f"{url}{path}", json=body) as response:
                return await response.json() if response.content_type.endswith("json") else response.status

        async def ready() -> bool:
            try:
                return bool((await call("GET", "/readyz"))["ready"])
            except aiohttp.ClientError:
                return False

        await eventually(ready, within=30)
        connection = await asyncpg.connect(database_url)
        token = await create_token(connection, "a test", "admin")
        await connection.close()
        http.headers["Authorization"] = f"Bearer {token}"
        async with reading(kafka, JobRecord.topic, OperatorRequest.topic) as records:
            job = (await call("POST", "/api/v1/jobs", DEFINITION))["id"]
            await call("PUT", f"/api/v1/jobs/{job}/secrets", {"secretToken": "canary-x", "clientSecret": "canary-y"})
            await call("POST", f"/api/v1/jobs/{job}/start")

            def told() -> list[Any]:
                ours = [orjson.loads(item.value) for item in records if item.key == f"{job}/~job".encode()]
                return ours if len(ours) >= 4 else []

            messages = await eventually(told, within=20)
            assert [message["sequence"] for message in messages if "definition" in message] == [1, 2, 3]
            assert [message["kind"] for message in messages if "kind" in message] == ["start"]
            assert "canary" not in str(messages)
        said = [
            received(message)
            for message in (assignment("u-1", job=job), change("u-1", job=job), outcome("u-1", job=job))
        ]
        await publish(kafka, [(item.message, item.envelope) for item in [*said, *said]])

        async def provisioned() -> bool:
            counts = (await call("GET", f"/api/v1/jobs/{job}"))["status"]["counts"]
            return bool(counts["provisioned"] == 1)

        await eventually(provisioned, within=20)
        shown = await call("GET", f"/api/v1/jobs/{job}/users/u-1@example.com")
        assert len(shown["timeline"]) == 3
