-- Removals wait for the end of their cycle; failures are escrowed; a job can be quarantined; restarts forget by scope.
ALTER TABLE person
    ADD COLUMN staged_in       text,
    ADD COLUMN released        boolean NOT NULL DEFAULT false,
    ADD COLUMN failing_since   timestamptz,
    ADD COLUMN escrows         integer NOT NULL DEFAULT 0,
    ADD CHECK (staged_in IS NULL OR next_attempt_at IS NULL);

CREATE INDEX person_staged_in ON person (job_id, staged_in, object_id) WHERE staged_in IS NOT NULL;
CREATE INDEX person_failing ON person (job_id, failing_since) WHERE failing_since IS NOT NULL;

-- What waits and what is managed, whatever kind of object it is: the guard counts objects, not users.
CREATE VIEW staged_removal AS
SELECT job_id, staged_in AS cycle_id, 'user' AS object_type, object_id FROM person WHERE staged_in IS NOT NULL;

CREATE VIEW managed_object AS
SELECT job_id, 'user' AS object_type, object_id FROM person WHERE linked AND status <> 'disabled';

-- One row for each cycle of a job that brought removals or marks: its marks, and what was decided about its removals.
CREATE TABLE cycle (
    job_id           text NOT NULL,
    cycle_id         text NOT NULL,
    kind             text NOT NULL,
    started_at       timestamptz NOT NULL,
    noticed_at       timestamptz NOT NULL DEFAULT now(),
    marks            integer[] NOT NULL DEFAULT '{}',
    partitions       integer,
    state            text NOT NULL DEFAULT 'open'
                     CHECK (state IN ('open', 'passed', 'held', 'approved', 'rejected', 'dropped')),
    draining         boolean NOT NULL DEFAULT false,
    removals         integer NOT NULL DEFAULT 0,
    managed          integer NOT NULL DEFAULT 0,
    reason           text,
    detail           text,
    held_at          timestamptz,
    decided_by       text,
    decision_reason  text,
    sequence         bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, cycle_id),
    CHECK ((state IN ('held', 'approved', 'rejected', 'dropped')) <= (reason IS NOT NULL))
);

CREATE INDEX cycle_draining ON cycle (started_at) WHERE draining;
CREATE INDEX cycle_waiting ON cycle (noticed_at) WHERE state IN ('open', 'held', 'rejected');

-- How a batch changed the counts of a job. Rows are only added and taken, so that no batch waits for another.
CREATE TABLE tally_delta (
    job_id      text NOT NULL,
    failing     integer NOT NULL,
    references_ integer NOT NULL,
    ok          integer NOT NULL,
    scope       integer NOT NULL,
    recovered   integer NOT NULL
);

-- One row for each job: the counts, the quarantine that follows from them, and the sequences of what was heard and said of it.
CREATE TABLE job_health (
    job_id            text PRIMARY KEY,
    health            json NOT NULL,
    quarantined       boolean NOT NULL,
    probe_until       timestamptz,
    heard_sequence    bigint NOT NULL DEFAULT 0,
    sequence          bigint NOT NULL DEFAULT 0
);

-- The persons of before count from here on.
INSERT INTO tally_delta (job_id, failing, references_, ok, scope, recovered)
SELECT job_id, 0, 0, count(*) FILTER (WHERE status = 'provisioned'), count(*) FILTER (WHERE entered), 0
FROM person GROUP BY job_id;

-- How often each scope of a restart was carried out; position: up to which object, while one is under way.
CREATE TABLE applied_reset (
    job_id    text NOT NULL,
    scope     text NOT NULL,
    count     integer NOT NULL,
    position  text,
    PRIMARY KEY (job_id, scope)
);
