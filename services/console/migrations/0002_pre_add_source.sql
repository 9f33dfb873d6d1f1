-- What the watcher says of the source of each job, and of removals that it holds; the whole message is kept, the newest sequence wins.
CREATE TABLE source_state (
    job_id   text PRIMARY KEY,
    sequence bigint NOT NULL,
    state    json NOT NULL
);

CREATE TABLE hold (
    job_id   text NOT NULL,
    hold_id  text NOT NULL,
    sequence bigint NOT NULL,
    open     boolean NOT NULL,
    held_at  timestamptz NOT NULL,
    at       timestamptz NOT NULL,
    fact     json NOT NULL,
    PRIMARY KEY (job_id, hold_id)
);
CREATE INDEX hold_by_time ON hold (job_id, open DESC, held_at DESC, hold_id);

-- What operators asked for; position is the sequence of the request that went out for the hold.
CREATE TABLE hold_request (
    job_id          text NOT NULL,
    idempotency_key text NOT NULL,
    hold_id         text NOT NULL,
    position        bigint NOT NULL,
    decision        text NOT NULL CHECK (decision IN ('approve', 'reject')),
    reason          text NOT NULL,
    requested_by    text NOT NULL,
    at              timestamptz NOT NULL,
    PRIMARY KEY (job_id, idempotency_key),
    UNIQUE (job_id, hold_id, position)
);
