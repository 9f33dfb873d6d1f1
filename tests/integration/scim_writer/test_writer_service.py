"""The whole service on a real Kafka and PostgreSQL: commands in, accounts at the target, outcomes out."""

import orjson

from services.scim_writer.app import build
from services.scim_writer.settings import ScimWriterSettings
from shared.contracts.outcomes import ProvisioningOutcome
from shared.runtime.secrets import SecretBox
from simulators.linkedin.server import LinkedInSimulator
from tests.support.builders_scim_writer import a_command
from tests.support.eventually import eventually
from tests.support.frames import publish, reading, running_service, settings_for
from tests.support.messages import a_job, enveloped


async def test_commands_that_come_twice_and_swapped_lead_to_one_account_and_one_outcome_each(
    kafka: str, database_url: str
) -> None:
    settings = settings_for(database_url, kafka, kind=ScimWriterSettings)
    target = await LinkedInSimulator.start()
    try:
        _, token = target.scim.configurations.create(
            name="Test", auto_assign=True, application_instance="EMEA", license_type="Advanced", seats=100
        )
        job = a_job(target={"tenantUrl": target.tenant_url, "requestsPerSecond": 1000})
        sealed = SecretBox(settings.secret_key_bytes()).encrypt(token, job_id=job.job_id, field="secretToken")
        job = job.model_copy(update={"secrets": {"secretToken": sealed}})
        async with running_service(build(settings)), reading(kafka, ProvisioningOutcome.topic) as records:
            commands = [a_command(job.job_id, "ann", 2, values={"title": "Director"}), a_command(job.job_id, "ann", 1)]
            commands += [a_command(job.job_id, f"user-{number}") for number in range(20)]
            await publish(kafka, [(command, enveloped(command)) for command in [*commands, *commands]])
            await publish(kafka, [(job, enveloped(job))])  # work that came before its job waits for it
            ours = lambda: [  # noqa: E731 - asked again and again
                body for record in records if (body := orjson.loads(record.value))["jobId"] == job.job_id
            ]
            await eventually(lambda: len(ours()) >= len(commands), within=30)
            results = {(body["objectId"], body["generation"]): body["result"] for body in ours()}
            assert len(ours()) == len(results) == len(commands)
            assert results.pop(("ann", 1)) == "superseded"
            assert set(results.values()) == {"done"}
            headers = dict(next(record.headers for record in records if b"ann" in record.key))
            assert headers["correlation_id"].decode() in {str(enveloped(command).id) for command in commands}
        assert len(list(target.scim.accounts)) == 21
        assert target.scim.journal.requests["POST"] == 21
    finally:
        await target.close()
