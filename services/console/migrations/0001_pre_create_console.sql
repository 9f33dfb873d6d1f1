-- What console owns: job definitions, operators and what they did; and what it knows of everybody from the topics.
CREATE TABLE job_definition (
    job_id         text PRIMARY KEY,
    version        bigint NOT NULL,
    definition     jsonb NOT NULL,
    schedule       text NOT NULL,
    secrets        jsonb NOT NULL DEFAULT '{}',
    request_sha256 bytea NOT NULL,
    restarts       integer NOT NULL DEFAULT 0,
    deleted        boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL
);

CREATE TABLE operator_token (
    token_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name         text NOT NULL,
    role         text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    sha256       bytea NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);

CREATE TABLE web_session (
    sha256     bytea PRIMARY KEY,
    token_id   uuid NOT NULL REFERENCES operator_token ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE operator_audit (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    operator text NOT NULL,
    role     text NOT NULL,
    token_id uuid,
    action   text NOT NULL,
    job_id   text,
    details  jsonb NOT NULL DEFAULT '{}',
    reason   text NOT NULL DEFAULT ''
);

-- One row for each user of a job: the facets of core.Person, each as the list of its values (see store.person_of), and what is derived from them where a query looks for it.
CREATE TABLE person (
    person_no           bigint GENERATED ALWAYS AS IDENTITY,
    job_id              text NOT NULL,
    object_id           text NOT NULL,
    facets              json NOT NULL,
    status              text NOT NULL,
    code                text,
    user_principal_name text,
    license_state       text,
    license_ticket      bigint,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, object_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.1);
CREATE INDEX person_by_status ON person (job_id, status, object_id);
CREATE INDEX person_by_name ON person (job_id, lower(user_principal_name));

-- What was said about one user, compact: the sentence is made when it is read.
CREATE TABLE timeline (
    person_no bigint NOT NULL,
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    service   text NOT NULL,
    facts     json NOT NULL
);
CREATE INDEX timeline_by_person ON timeline (person_no, at);
CREATE INDEX timeline_by_time ON timeline USING brin (at);

CREATE TABLE provisioning_log (
    position    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id    uuid NOT NULL,
    at          timestamptz NOT NULL,
    job_id      text NOT NULL,
    object_id   text NOT NULL,
    cycle_id    text,
    generation  bigint NOT NULL,
    action      text NOT NULL,
    status      text NOT NULL,
    duration_ms integer NOT NULL,
    target_id   text,
    body        json NOT NULL
);
CREATE INDEX provisioning_log_by_person ON provisioning_log (job_id, object_id, position);
CREATE INDEX provisioning_log_by_time ON provisioning_log USING brin (at);

CREATE TABLE cycle (
    job_id     text NOT NULL,
    cycle_id   text NOT NULL,
    kind       text NOT NULL,
    phase      text NOT NULL,
    objects    bigint NOT NULL DEFAULT 0,
    seen       bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz,
    failure    jsonb,
    PRIMARY KEY (job_id, cycle_id)
);
CREATE INDEX cycle_by_time ON cycle (job_id, started_at);

CREATE TABLE condition (
    job_id    text NOT NULL,
    condition text NOT NULL,
    service   text NOT NULL,
    sequence  bigint NOT NULL,
    state     text NOT NULL,
    failure   jsonb,
    at        timestamptz NOT NULL,
    PRIMARY KEY (job_id, condition, service)
);
