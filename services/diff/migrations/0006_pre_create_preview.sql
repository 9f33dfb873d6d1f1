-- One row for each preview that was asked for: what the job would be, until it is made, and how far it is.
CREATE TABLE preview (
    job_id          text NOT NULL,
    preview_id      text NOT NULL,
    number          bigint NOT NULL,
    state           text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'superseded')),
    job_version     integer NOT NULL,
    wish            json,
    correlation_id  text NOT NULL,
    traceparent     text,
    attempts        integer NOT NULL DEFAULT 0,
    sequence        bigint NOT NULL DEFAULT 0,
    asked_at        timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    PRIMARY KEY (job_id, preview_id),
    CHECK ((wish IS NULL) = (state IN ('done', 'failed', 'superseded'))),
    CHECK ((wish IS NULL) = (ended_at IS NOT NULL))
);

CREATE INDEX preview_open ON preview (asked_at) WHERE state IN ('waiting', 'running');
