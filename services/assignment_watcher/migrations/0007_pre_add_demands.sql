-- Users that operators want provisioned on demand and who are not read yet; a row lives for seconds. due_at: not before; a process that
-- takes one on moves it ahead, so that another takes over when it dies.
CREATE TABLE demand (
    job_id         text NOT NULL,
    request_id     text NOT NULL,
    user_name      text NOT NULL,
    correlation_id text NOT NULL,
    traceparent    text,
    asked_at       timestamptz NOT NULL,
    tries          integer NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL,
    PRIMARY KEY (job_id, request_id)
);
CREATE INDEX demand_due ON demand (due_at);
