"""Bad job definitions are refused with the name of the field; good ones keep what was written."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.contracts.addresses import check_address, check_addresses
from shared.contracts.duration import format_duration
from shared.contracts.job import JobDefinition, field_path
from tests.support.messages import a_definition


def test_what_is_not_said_gets_the_tutorial_default() -> None:
    definition = a_definition()
    assert definition.target.requests_per_second == 25
    assert definition.settings.required_roles == ("User",)
    assert definition.settings.interval == timedelta(minutes=1)
    assert definition.source.graph_root == "https://graph.microsoft.com"
    assert (definition.settings.drift_check.mode, definition.settings.drift_check.interval) == (
        "off",
        timedelta(days=1),
    )


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"setings": {}}, "setings"),
        ({"settings": {"interval": "PT0S"}}, "settings.interval"),
        ({"settings": {"interval": "P2D"}}, "settings.interval"),
        ({"settings": {"interval": "every minute"}}, "settings.interval"),
        ({"settings": {"nestedGroups": "perhaps"}}, "settings.nestedGroups"),
        ({"settings": {"driftCheck": {"mode": "sometimes"}}}, "settings.driftCheck.mode"),
        ({"settings": {"driftCheck": {"interval": "PT1S"}}}, "settings.driftCheck.interval"),
        ({"settings": {"driftCheck": {"intervall": "P1D"}}}, "settings.driftCheck.intervall"),
        ({"target": {}}, "target.tenantUrl"),
        ({"target": {"tenantUrl": "https://x", "requestsPerSecond": 0}}, "target.requestsPerSecond"),
        ({"licenses": {"capacity": -1}}, "licenses.capacity"),
        ({"licenses": {"whenExhausted": "panic"}}, "licenses.whenExhausted"),
        ({"notifications": {"email": "not an address"}}, "notifications.email"),
        ({"notifications": {"email": "a@b.example\nBcc: c@d.example"}}, "notifications.email"),
        ({"template": "unheard-of"}, "template"),
        ({"source": {"tenantId": "../x", "clientId": "c", "servicePrincipalId": "p"}}, "source.tenantId"),
    ],
)
def test_a_wrong_part_is_refused_by_its_name(part: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_definition(**part)
    assert [field_path(error["loc"]) for error in refused.value.errors()] == [field]


def test_a_definition_survives_its_json() -> None:
    definition = a_definition(settings={"interval": "PT90S", "removalConfirmation": "PT1S"})
    assert JobDefinition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)))
def test_a_duration_means_the_same_when_it_is_read_again(duration: timedelta) -> None:
    assert TypeAdapter(timedelta).validate_python(format_duration(duration)) == duration


@pytest.mark.parametrize("text", ["PT1M", "PT1S", "PT2H", "P1D", "PT1H30M", "PT0S"])
def test_a_duration_is_written_as_people_write_it(text: str) -> None:
    assert format_duration(TypeAdapter(timedelta).validate_python(text)) == text


@pytest.mark.parametrize(
    "url",
    [
        "http://api.linkedin.com/scim",
        "http://127.0.0.1.example/scim",
        "http://2130706433/scim",
        "ftp://api.linkedin.com",
        "api.linkedin.com/scim",
        "https://",
        "https://user:word@api.linkedin.com/scim",
        "https://api.linkedin.com/scim#x",
        "https://[::1",
        "http://[::ffff:127.0.0.1]/",
    ],
)
def test_an_address_that_may_not_be_called_is_refused_even_where_loopback_is_allowed(url: str) -> None:
    assert check_address("target.tenantUrl", url, allow_insecure_loopback=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/scim", "http://localhost/scim", "http://[::1]:9/scim"])
def test_http_is_taken_for_loopback_only_when_allowed(url: str) -> None:
    assert check_address("f", url, allow_insecure_loopback=True) is None
    problem = check_address("f", url, allow_insecure_loopback=False)
    assert problem
    assert "SEATKEEPER_ALLOW_INSECURE_LOOPBACK" in problem.message


def test_every_address_of_a_job_is_checked_and_named() -> None:
    source = {
        "tenantId": "t",
        "clientId": "c",
        "servicePrincipalId": "p",
        "graphRoot": "http://x",
        "loginRoot": "http://y",
    }
    definition = a_definition(source=source, target={"tenantUrl": "http://z"})
    problems = check_addresses(definition, allow_insecure_loopback=True)
    assert {problem.field for problem in problems} == {"source.graphRoot", "source.loginRoot", "target.tenantUrl"}
