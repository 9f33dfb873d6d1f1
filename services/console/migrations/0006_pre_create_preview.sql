-- Previews that operators asked for; what was previewed is kept as digests, and where it stands as the newest message of diff.
CREATE TABLE preview (
    job_id           text NOT NULL REFERENCES job_definition,
    preview_id       text NOT NULL,
    number           bigint NOT NULL,
    idempotency_key  text NOT NULL,
    job_version      integer NOT NULL,
    schema_sha256    bytea,
    job_sha256       bytea,
    requested_by     text NOT NULL,
    reason           text NOT NULL,
    at               timestamptz NOT NULL,
    sequence         bigint NOT NULL DEFAULT 0,
    fact             json,
    PRIMARY KEY (job_id, preview_id),
    UNIQUE (job_id, number),
    UNIQUE (job_id, idempotency_key)
);

CREATE INDEX preview_at ON preview (at);

-- Rows of plans, in the order in which diff tells them.
CREATE TABLE preview_row (
    job_id       text NOT NULL,
    preview_id   text NOT NULL,
    number       integer NOT NULL,
    action       text NOT NULL,
    object_type  text NOT NULL,
    row          json NOT NULL,
    PRIMARY KEY (job_id, preview_id, number),
    FOREIGN KEY (job_id, preview_id) REFERENCES preview ON DELETE CASCADE
);
