-- The mirror of each job's directory, how far it was read, what was last said of each object, and where pages wait until a cycle is whole.

-- One row per job. The round rises with every commit, so that of two processes only one can commit what both started from.
CREATE TABLE watch (
    job_id             text PRIMARY KEY,
    source             text NOT NULL,
    round              bigint NOT NULL DEFAULT 1,
    initial_completed  boolean NOT NULL DEFAULT false,
    initial_started_at timestamptz,
    roles              jsonb,
    listing_digest     bytea,
    groups_query       text,
    groups_link        text,
    groups_issued_at   timestamptz,
    users_query        text,
    users_link         text,
    users_issued_at    timestamptz,
    reported_at        timestamptz,
    condition          text,
    condition_sequence bigint NOT NULL DEFAULT 0
);

CREATE TABLE mirror_user (
    job_id     text NOT NULL,
    user_id    text NOT NULL,
    lifecycle  text NOT NULL,
    attributes jsonb NOT NULL,
    PRIMARY KEY (job_id, user_id)
);

CREATE TABLE mirror_group (
    job_id       text NOT NULL,
    group_id     text NOT NULL,
    lifecycle    text NOT NULL,
    display_name text,
    PRIMARY KEY (job_id, group_id)
);

-- Direct members that are users. Kept while a group or a user is soft-deleted.
CREATE TABLE mirror_member (
    job_id   text NOT NULL,
    group_id text NOT NULL,
    user_id  text NOT NULL,
    PRIMARY KEY (job_id, group_id, user_id)
);
CREATE INDEX mirror_member_user ON mirror_member (job_id, user_id);

-- suspect_since: absent from complete listings since then. frozen: its principal is soft-deleted, so its absence says nothing.
CREATE TABLE mirror_assignment (
    job_id         text NOT NULL,
    assignment_id  text NOT NULL,
    principal_type text NOT NULL,
    principal_id   text NOT NULL,
    role_id        text NOT NULL,
    assigned_at    timestamptz NOT NULL,
    suspect_since  timestamptz,
    frozen         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (job_id, assignment_id)
);
CREATE INDEX mirror_assignment_principal ON mirror_assignment (job_id, principal_type, principal_id);
CREATE INDEX mirror_assignment_suspect ON mirror_assignment (job_id, suspect_since) WHERE suspect_since IS NOT NULL;

-- What was last said of each object, as a digest; the version is the sequence of its messages.
CREATE TABLE emitted (
    job_id      text NOT NULL,
    object_id   text NOT NULL,
    version     bigint NOT NULL,
    digest      bytea NOT NULL,
    assigned    boolean NOT NULL,
    assigned_at timestamptz,
    PRIMARY KEY (job_id, object_id)
);

-- Users to ask for one by one: known by an assignment only, or missing from a full read.
CREATE TABLE unresolved (
    job_id  text NOT NULL,
    user_id text NOT NULL,
    tries   integer NOT NULL DEFAULT 0,
    due_at  timestamptz NOT NULL,
    PRIMARY KEY (job_id, user_id)
);

-- Pages of the cycle under way. Unlogged: a cycle that did not commit is read again, and the number of rows is checked before they are
-- believed. Each attempt has its own id, so that a process that was asleep cannot add to what another one reads.
CREATE UNLOGGED TABLE staged_assignment (
    job_id         text NOT NULL,
    attempt        uuid NOT NULL,
    assignment_id  text NOT NULL,
    principal_type text NOT NULL,
    principal_id   text NOT NULL,
    role_id        text NOT NULL,
    assigned_at    timestamptz,
    PRIMARY KEY (attempt, assignment_id)
);

CREATE UNLOGGED TABLE staged_group (
    job_id   text NOT NULL,
    attempt  uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    group_id text NOT NULL,
    removed  text,
    record   jsonb NOT NULL
);
CREATE INDEX staged_group_attempt ON staged_group (attempt);

CREATE UNLOGGED TABLE staged_member (
    job_id   text NOT NULL,
    attempt  uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    group_id text NOT NULL,
    user_id  text NOT NULL,
    removed  boolean NOT NULL
);
CREATE INDEX staged_member_attempt ON staged_member (attempt);

CREATE UNLOGGED TABLE staged_user (
    job_id   text NOT NULL,
    attempt  uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    user_id  text NOT NULL,
    removed  text,
    record   jsonb NOT NULL
);
CREATE INDEX staged_user_attempt ON staged_user (attempt);

-- Later records of one object in one round complete the earlier ones: absent keeps, null clears.
CREATE AGGREGATE merged (jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}');
