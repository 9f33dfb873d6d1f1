"""What can go wrong in the frame, by meaning: wait and try again, or stop and tell the operator."""


class StartRefusedError(Exception):
    """The service cannot start as it is configured; the message names the thing and what to do. Exit status 78 (EX_CONFIG)."""


class WaitError(Exception):
    """Something that will come by itself is not there yet; the batch is kept and tried again. The message is shown to operators."""


class JobUnknownError(WaitError):
    """A message names a job whose definition has not arrived yet from control.jobs.v1."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} is not known yet; waiting for its definition from control.jobs.v1")
        self.job_id = job_id


class DeadLetterLimitError(WaitError):
    """Too many messages were dead-lettered; the consumer stops here rather than throw away what may be good."""


class LeaseLostError(Exception):
    """The lease ran out or another process holds it: nothing may be done under it any more."""
