-- The tables that every service has: what it has seen, what it is about to say, which jobs there are, who works on what.
CREATE TABLE inbox (
    event_id    uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_received_at ON inbox USING brin (received_at);

CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea,
    partition  integer,
    headers    text NOT NULL,
    payload    bytea,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE TABLE dead_letter (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    partition  integer NOT NULL,
    position   bigint NOT NULL,
    reason     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, position)
);

CREATE TABLE job (
    job_id     text PRIMARY KEY,
    version    bigint NOT NULL,
    record     jsonb NOT NULL,
    deleted    boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL
);

CREATE TABLE lease (
    name       text PRIMARY KEY,
    owner      text NOT NULL,
    epoch      bigint NOT NULL,
    expires_at timestamptz NOT NULL
);
