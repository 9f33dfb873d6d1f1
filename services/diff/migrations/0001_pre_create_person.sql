-- One row for each person of each job: wanted by the directory, sent towards the target, confirmed by it.
CREATE TABLE person (
    job_id               text NOT NULL,
    object_id            text NOT NULL,
    assignment           json NOT NULL,
    correlation_id       text NOT NULL,
    traceparent          text,
    sent_generation      bigint NOT NULL,
    sent_operation       text,
    desired              json,
    touched              json NOT NULL,
    in_flight            boolean NOT NULL,
    linked               boolean NOT NULL,
    target_id            text,
    confirmed            json,
    settled_generation   bigint NOT NULL,
    doubtful             json NOT NULL,
    entered              boolean NOT NULL,
    status               text NOT NULL
                         CHECK (status IN ('pending', 'provisioned', 'waiting', 'skipped', 'failed', 'disabled')),
    reason_code          text,
    reasons              json NOT NULL,
    attempts             integer NOT NULL,
    next_attempt_at      timestamptz,
    license_sequence     bigint NOT NULL,
    license_generation   bigint NOT NULL,
    license_waiting      boolean NOT NULL,
    event_sequence       bigint NOT NULL,
    user_sequence        bigint NOT NULL,
    changed_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, object_id),
    CHECK (NOT (in_flight AND next_attempt_at IS NOT NULL))
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.05,
    -- A row is written three times within seconds; compressing it each time would cost more than the space.
    toast_tuple_target = 8160
);

CREATE INDEX person_next_attempt_at ON person (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
