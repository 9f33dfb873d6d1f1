"""What the demo asks Kafka when the broker has no word for it yet, or refuses."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from cli.demo.evidence import committed_offsets

PARTITION = TopicPartition("provisioning.changes.v1", 0)
COMMITTED = {PARTITION: OffsetAndMetadata(7, "")}


class Admin:
    """Answers with the errors, one at a time, and then with what is committed."""

    def __init__(self, *errors: KafkaError) -> None:
        self.errors = list(errors)

    async def list_consumer_group_offsets(self, group: str, *, partitions: list[TopicPartition]) -> dict[Any, Any]:
        assert (group, partitions) == ("scim-writer", [PARTITION])
        if self.errors:
            raise self.errors.pop(0)
        return COMMITTED


async def test_a_coordinator_that_is_not_there_yet_is_asked_again() -> None:
    admin = Admin(GroupCoordinatorNotAvailableError())
    assert await committed_offsets(admin, "scim-writer", [PARTITION]) == COMMITTED
    assert admin.errors == []


async def test_what_does_not_pass_by_itself_is_not_asked_again() -> None:
    admin = Admin(GroupAuthorizationFailedError("scim-writer"), GroupCoordinatorNotAvailableError())
    with pytest.raises(GroupAuthorizationFailedError):
        await committed_offsets(admin, "scim-writer", [PARTITION])
    assert len(admin.errors) == 1


async def test_a_coordinator_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.demo.evidence.COORDINATOR_SECONDS", -1.0)
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await committed_offsets(Admin(GroupCoordinatorNotAvailableError()), "scim-writer", [PARTITION])
