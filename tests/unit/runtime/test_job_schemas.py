"""Which schema a job has in force: the saved one, the last good one, the template's default, or none."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.job import JobDefinition
from shared.contracts.message import ObjectType
from shared.runtime.errors import WaitError
from shared.runtime.job_schemas import SchemaUnusableError, schema_in_force
from shared.runtime.jobs import Job, read_job
from shared.schema.compiling import template_default
from tests.support.builders_console import DEFINITION
from tests.support.builders_schema import USER_ROWS, document, row

BASE = (row("externalId", "[objectId]", matchingPriority=1), row("userName", "[mail]"), USER_ROWS[1])
GOOD = document(base=BASE)
BAD = document(row("title", "FunctionOfTomorrow([jobTitle])"), base=BASE)


def job(schema: dict[str, Any] | None, version: int, known: Job | None = None) -> Job:
    record = JobRecord(
        job_id="job-1",
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=version,
        definition=JobDefinition.model_validate(DEFINITION),
        schedule=ScheduleState.ACTIVE,
        synchronization_schema=schema,
        schema_version=version,
        changed_at=datetime(2026, 3, 2, tzinfo=UTC),
    )
    return read_job(record.body().decode(), known)


def problem(made: Job) -> str | None:
    assert made.job_schema is not None
    return made.job_schema.problem


def test_without_a_saved_schema_the_default_of_the_template_holds() -> None:
    made = job(None, 1)
    assert made.schema is template_default("linkedin-sales-navigator")
    assert "department" in made.source_attributes(ObjectType.USER)
    assert problem(made) is None


def test_a_saved_schema_says_what_is_read_from_the_source() -> None:
    made = job(GOOD, 1)
    assert made.source_attributes(ObjectType.USER) == ("accountEnabled", "id", "mail")
    assert made.source_attributes(ObjectType.GROUP) == ("displayName", "id", "securityEnabled")
    assert made.schema.groups is None


def test_a_schema_that_does_not_compile_leaves_the_last_good_one_in_force_and_says_so() -> None:
    good = job(GOOD, 1)
    later = job(BAD, 2, good)
    assert later.schema is good.schema
    assert "FunctionOfTomorrow" in (problem(later) or "")
    assert job(BAD, 3, later).schema is good.schema
    assert problem(job(GOOD, 4, later)) is None


def test_without_a_last_good_schema_nothing_is_decided() -> None:
    made = job(BAD, 1)
    with pytest.raises(SchemaUnusableError, match="schema restore") as error:
        _ = made.schema
    assert isinstance(error.value, WaitError)


def test_the_last_good_schema_of_another_template_is_none() -> None:
    good = job(GOOD, 1)
    assert good.job_schema is not None
    assert schema_in_force("job-1", "scim", BAD, None).compiled is None


def test_the_same_document_is_compiled_once() -> None:
    assert job(GOOD, 1).schema is job(GOOD, 2).schema
