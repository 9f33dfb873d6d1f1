"""Ends memberships in Kafka consumer groups whose process is dead, as the broker itself does when their session runs out."""

from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DescribeGroupsRequest, DescribeGroupsRequest_v0
from aiokafka.protocol.group import LeaveGroupRequest


class _DescribeGroups(DescribeGroupsRequest):  # type: ignore[misc] # aiokafka is untyped
    """Version 0: aiokafka 0.14 reads the answer to version 3 with the layout of version 2, and fails."""

    def prepare(self, versions: Mapping[int, Any]) -> DescribeGroupsRequest_v0:
        return DescribeGroupsRequest_v0(self._groups)


async def end_memberships(kafka: str, groups: Collection[str]) -> int:
    """Have every present member leave these groups, and return how many there were. A member that lives joins again by itself."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    ended = 0
    try:
        for group in groups:
            node = await admin.find_coordinator(group)
            answer = await admin._send_request(_DescribeGroups([group]), node)
            for _error, _group, _state, _type, _protocol, members in answer.groups:
                for member, *_ in members:
                    await admin._send_request(LeaveGroupRequest(group, member), node)
                    ended += 1
    finally:
        await admin.close()
    return ended
