-- One row for each assigned group of each job: wanted by the directory, sent towards the target, confirmed by it.
CREATE TABLE group_object (
    job_id            text NOT NULL,
    object_id         text NOT NULL,
    assignment        json NOT NULL,
    correlation_id    text NOT NULL,
    traceparent       text,
    sent_generation   bigint NOT NULL,
    sent_operation    text,
    desired           json,
    in_flight         boolean NOT NULL,
    target_id         text,
    confirmed         json,
    link_number       bigint NOT NULL,
    doubtful          boolean NOT NULL,
    entered           boolean NOT NULL,
    status            text NOT NULL CHECK (status IN ('pending', 'provisioned', 'skipped', 'failed')),
    reason_code       text,
    reasons           json NOT NULL,
    attempts          integer NOT NULL,
    next_attempt_at   timestamptz,
    failing_since     timestamptz,
    escrows           integer NOT NULL,
    staged_in         text,
    released          boolean NOT NULL,
    members_at        timestamptz,
    member_attempts   integer NOT NULL,
    members_left      boolean NOT NULL,
    event_sequence    bigint NOT NULL,
    changed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, object_id),
    CHECK ((target_id IS NULL) = (confirmed IS NULL))
);

CREATE INDEX group_object_next_attempt_at ON group_object (next_attempt_at)
    WHERE next_attempt_at IS NOT NULL AND NOT in_flight;
CREATE INDEX group_object_members_at ON group_object (members_at) WHERE members_at IS NOT NULL AND NOT in_flight;
CREATE INDEX group_object_members_left ON group_object (job_id, object_id) WHERE members_left;
CREATE INDEX group_object_staged_in ON group_object (job_id, staged_in, object_id) WHERE staged_in IS NOT NULL;
CREATE INDEX group_object_target_id ON group_object (job_id, target_id) WHERE target_id IS NOT NULL;

-- Which group of a job has which name to match by (a digest): nobody else's group at the target is taken for it.
CREATE TABLE group_name (
    job_id     text NOT NULL,
    digest     text NOT NULL,
    object_id  text NOT NULL,
    PRIMARY KEY (job_id, digest)
);

CREATE INDEX group_name_object ON group_name (job_id, object_id);

-- The guard counts groups too.
CREATE OR REPLACE VIEW staged_removal AS
SELECT job_id, staged_in AS cycle_id, 'user' AS object_type, object_id FROM person WHERE staged_in IS NOT NULL
UNION ALL
SELECT job_id, staged_in, 'group', object_id FROM group_object WHERE staged_in IS NOT NULL;

CREATE OR REPLACE VIEW managed_object AS
SELECT job_id, 'user' AS object_type, object_id FROM person WHERE linked AND status <> 'disabled'
UNION ALL
SELECT job_id, 'group', object_id FROM group_object WHERE target_id IS NOT NULL;

-- One row for each membership: whether the directory has it, and what the target has of it. need is what is to be done, null while
-- nothing is, or while a change is under way.
CREATE TABLE membership (
    job_id           text NOT NULL,
    group_id         text NOT NULL,
    user_id          text NOT NULL,
    wanted           boolean NOT NULL,
    target_id        text,
    held             text,
    held_link        bigint NOT NULL,
    certain          boolean NOT NULL,
    need             text CHECK (need IN ('add', 'remove')),
    sent_generation  bigint,
    attempts         integer NOT NULL,
    not_before       timestamptz NOT NULL,
    PRIMARY KEY (job_id, group_id, user_id),
    CHECK (need IS NULL OR sent_generation IS NULL)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX membership_user ON membership (job_id, user_id);
CREATE INDEX membership_need ON membership (job_id, group_id, need, not_before) WHERE need IS NOT NULL;
CREATE INDEX membership_sent ON membership (job_id, group_id, sent_generation) WHERE sent_generation IS NOT NULL;
CREATE INDEX membership_held ON membership (job_id, group_id, held_link) WHERE held IS NOT NULL;

-- Groups whose memberships have changed. Rows are only added and taken, so that no batch of users waits for another at a group.
CREATE TABLE members_changed (
    number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id    text NOT NULL,
    group_id  text NOT NULL
);

-- To whom a person refers: the manager, the one reference there is. What it comes to at the target stands with the person.
CREATE TABLE reference (
    job_id         text NOT NULL,
    object_id      text NOT NULL,
    referenced_id  text NOT NULL,
    PRIMARY KEY (job_id, object_id)
);

ALTER TABLE person ADD COLUMN resolved json NOT NULL DEFAULT '{}';

CREATE INDEX reference_referenced ON reference (job_id, referenced_id, object_id);

-- Persons who refer to somebody else by now, or have another account: their references are looked at after the commit.
CREATE TABLE reference_changed (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     text NOT NULL,
    object_id  text NOT NULL
);

-- What the persons of before are members of, and whom they refer to.
INSERT INTO membership (job_id, group_id, user_id, wanted, target_id, held_link, certain, attempts, not_before)
SELECT DISTINCT
    person.job_id, path ->> 'groupId', person.object_id, true, CASE WHEN person.linked THEN person.target_id END,
    0, false, 0, to_timestamp(0)
FROM person CROSS JOIN json_array_elements(coalesce(person.assignment -> 'paths', '[]')) AS path
WHERE path ->> 'groupId' IS NOT NULL AND coalesce(path ->> 'nested', 'false') = 'false';

UPDATE membership SET need = 'add' WHERE target_id IS NOT NULL;

INSERT INTO reference (job_id, object_id, referenced_id)
SELECT job_id, object_id, assignment -> 'attributes' ->> 'manager' FROM person
WHERE coalesce(assignment -> 'attributes' ->> 'manager', '') <> '';

INSERT INTO reference_changed (job_id, object_id) SELECT job_id, object_id FROM reference;
