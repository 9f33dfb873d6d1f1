-- One row for each object that a command ever named. The newest command is kept until it is settled; afterwards only what is needed to
-- recognise an older one, and fingerprints (no values) of what was written.
CREATE TABLE work (
    job_id              text NOT NULL,
    object_id           text NOT NULL,
    generation          bigint NOT NULL,
    state               text NOT NULL CHECK (state IN ('ready', 'in_flight', 'settled')),
    command             text,
    correlation_id      text NOT NULL,
    traceparent         text,
    next_generation     bigint,
    next_command        text,
    next_correlation_id text,
    next_traceparent    text,
    tries               integer NOT NULL DEFAULT 0,
    ambiguous           boolean NOT NULL DEFAULT false,
    target_id           text,
    written             text,
    due_at              timestamptz NOT NULL DEFAULT now(),
    position            bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (job_id, object_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX work_ready ON work (job_id, due_at, position) WHERE state = 'ready';
CREATE INDEX work_in_flight ON work (job_id) WHERE state = 'in_flight';

-- What is wrong with the whole of a job, as it was last said; the row stays, because its sequence must go on rising.
CREATE TABLE condition (
    job_id     text PRIMARY KEY,
    name       text NOT NULL,
    raised     boolean NOT NULL,
    failure    text,
    sequence   bigint NOT NULL,
    changed_at timestamptz NOT NULL
);
