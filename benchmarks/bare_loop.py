"""The least that any synchronizer must do: look each user up and create it, with nothing around it. What the machine could reach.

``python -m benchmarks.bare_loop [--users N]``. Same target simulator, same number of requests in flight as the scim-writer.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from typing import Any

import aiohttp
import orjson
import uvloop
from yarl import URL

IN_FLIGHT = 32


async def _one(session: aiohttp.ClientSession, tenant_url: str, number: int) -> None:
    address = URL(f"{tenant_url}/Users?filter=externalId%20eq%20%22user-{number}%22", encoded=True)
    async with session.get(address) as response:
        await response.read()
    user = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "externalId": f"user-{number}",
        "userName": f"user-{number}@contoso.example",
        "name": {"givenName": "Given", "familyName": "Family"},
        "emails": [{"type": "work", "value": f"user-{number}@contoso.example"}],
        "active": True,
    }
    headers = {"Content-Type": "application/scim+json"}
    async with session.post(f"{tenant_url}/Users", data=orjson.dumps(user), headers=headers) as response:
        await response.read()
        if response.status != 201:
            raise RuntimeError(f"the target answered {response.status}")


async def bare_loop(users: int) -> dict[str, Any]:
    """Create ``users`` users and return how many a second, with the CPU that client and target simulator used for one user."""
    target = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.linkedin", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert target.stdout is not None
    announced = json.loads(await target.stdout.readline())
    try:
        async with aiohttp.ClientSession() as session:
            wanted = {"name": "b", "autoAssign": True, "applicationInstance": "i", "licenseType": "t", "seats": users}
            async with session.post(f"{announced['url']}/_sim/configurations", json=wanted) as response:
                token = (await response.json())["token"]
        numbers = iter(range(users))

        async def worker(session: aiohttp.ClientSession) -> None:
            for number in numbers:
                await _one(session, announced["tenantUrl"], number)

        headers = {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            before, began = _cpu(), time.perf_counter()
            await asyncio.gather(*(worker(session) for _ in range(IN_FLIGHT)))
            seconds, used = time.perf_counter() - began, _cpu() - before
            async with session.get(f"{announced['url']}/_sim/state") as response:
                target_cpu = (await response.json())["cpuSeconds"]
    finally:
        target.terminate()
        await target.wait()
    return {
        "bareLoopUsersPerSecond": round(users / seconds, 1),
        "bareLoopCpuMillisecondsPerUser": round(used / users * 1000, 3),
        "bareLoopTargetCpuMillisecondsPerUser": round(target_cpu / users * 1000, 3),
    }


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Run the loop and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=5_000)
    print(orjson.dumps(uvloop.run(bare_loop(parser.parse_args().users))).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
