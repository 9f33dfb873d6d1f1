"""What a merge patch makes of a job."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.console.api.problems import FieldError, field_errors, invalid
from services.console.job_definitions import StoredJob
from services.console.merge_patch import merge_patch
from shared.contracts.addresses import check_addresses
from shared.contracts.job import JobDefinition
from shared.runtime.frame import Frame


def changed_definition(frame: Frame, known: StoredJob, patch: Mapping[str, Any]) -> JobDefinition:
    """Return the definition of a job changed by a merge patch (RFC 7396); raises ``ProblemError`` (422) naming what cannot be taken.

    A patch that names another kind of source replaces the source: what the old kind had means nothing to the new one.
    """
    document = known.definition.model_dump(mode="json", by_alias=True)
    if _other_kind(document, patch):
        del document["source"]
    try:
        definition = JobDefinition.model_validate(merge_patch(document, dict(patch)))
    except ValidationError as error:
        raise invalid(field_errors(error.errors(include_url=False))) from None
    refuse_addresses(frame, definition)
    return definition


def refuse_addresses(frame: Frame, definition: JobDefinition) -> None:
    """Raise ``ProblemError`` (422) naming the addresses that must not be called."""
    problems = check_addresses(definition, allow_insecure_loopback=frame.settings.allow_insecure_loopback)
    if errors := [FieldError(field=problem.field, message=problem.message) for problem in problems]:
        raise invalid(errors)


def _other_kind(document: Mapping[str, Any], patch: Mapping[str, Any]) -> bool:
    source = patch.get("source")
    return isinstance(source, Mapping) and source.get("kind", document["source"]["kind"]) != document["source"]["kind"]
