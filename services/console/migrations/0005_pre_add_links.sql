-- The link of each user to an account at the target, as the newest message that told of it has it. differs: paths that the last comparison
-- found different at the target (none: equal, or never compared); finding: what it found.
CREATE TABLE link (
    job_id       text NOT NULL,
    object_id    text NOT NULL,
    generation   bigint NOT NULL,
    target_id    text,
    confirmed_at timestamptz,
    compared_at  timestamptz,
    finding      text,
    differs      text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, object_id)
) WITH (fillfactor = 80);
CREATE INDEX link_by_target ON link (job_id, target_id) WHERE target_id IS NOT NULL;
CREATE INDEX link_found ON link (job_id, finding) WHERE finding <> 'same';

INSERT INTO link (job_id, object_id, generation, target_id, confirmed_at)
SELECT job_id, object_id, (facets->'link'->>0)::bigint, facets->'link'->>1, updated_at
FROM person WHERE facets->'link' IS NOT NULL;

-- What operators asked for about links and users; position is the sequence of the request that went out.
CREATE TABLE operator_request (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id          text NOT NULL,
    idempotency_key text NOT NULL,
    kind            text NOT NULL,
    object_id       text NOT NULL,
    target_id       text,
    reason          text NOT NULL,
    requested_by    text NOT NULL,
    at              timestamptz NOT NULL,
    UNIQUE (job_id, idempotency_key)
);
CREATE INDEX operator_request_by_object ON operator_request (job_id, object_id, position DESC);

-- Users on demand: what each stage said. open: what follows from it may still come.
CREATE TABLE demand (
    job_id         text NOT NULL,
    request_id     text NOT NULL,
    correlation_id text NOT NULL,
    user_name      text NOT NULL,
    object_id      text,
    requested_by   text NOT NULL,
    at             timestamptz NOT NULL,
    open           boolean NOT NULL DEFAULT true,
    source         json,
    decision       json,
    waiting        json,
    outcome        json,
    PRIMARY KEY (job_id, request_id)
);
CREATE INDEX demand_open ON demand (correlation_id) WHERE open;
CREATE INDEX demand_by_time ON demand (job_id, at DESC);
