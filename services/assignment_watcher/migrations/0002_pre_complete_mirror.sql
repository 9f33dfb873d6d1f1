-- Streams with generations and a shadow, memberships that are doubted before they are dropped, nested groups, objects to look at again,
-- and removals that are held until somebody approves them.

-- One row per stream of a job. The shadow is a full read under way: pages are staged under its attempt, and it goes on at shadow_next after
-- a crash. When it is complete, shadow_link waits to be committed together with what the pages say.
CREATE TABLE stream (
    job_id            text NOT NULL,
    stream            text NOT NULL,
    query             text NOT NULL,
    generation        integer NOT NULL DEFAULT 0,
    link              text,
    issued_at         timestamptz,
    rounds            bigint NOT NULL DEFAULT 0,
    pages             integer NOT NULL DEFAULT 0,
    records           bigint NOT NULL DEFAULT 0,
    last_round_at     timestamptz,
    resynced_at       timestamptz,
    resync_reason     text,
    shadow_attempt    uuid,
    shadow_started_at timestamptz,
    shadow_next       text,
    shadow_link       text,
    shadow_issued_at  timestamptz,
    shadow_pages      integer NOT NULL DEFAULT 0,
    shadow_records    bigint NOT NULL DEFAULT 0,
    shadow_rows       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (job_id, stream)
);
INSERT INTO stream (job_id, stream, query, generation, link, issued_at)
SELECT job_id, 'groups', groups_query, 1, groups_link, groups_issued_at FROM watch WHERE groups_query IS NOT NULL
UNION ALL
SELECT job_id, 'users', users_query, 1, users_link, users_issued_at FROM watch WHERE users_query IS NOT NULL;

ALTER TABLE watch
    ADD COLUMN nested_groups    boolean NOT NULL DEFAULT false,
    ADD COLUMN listed_at        timestamptz,
    ADD COLUMN listing_seconds  double precision NOT NULL DEFAULT 0,
    ADD COLUMN listed_rows      bigint NOT NULL DEFAULT 0,
    ADD COLUMN listed_pages     integer NOT NULL DEFAULT 0,
    ADD COLUMN drift_total      bigint NOT NULL DEFAULT 0,
    ADD COLUMN reread_at        timestamptz,
    ADD COLUMN reread_slice     integer NOT NULL DEFAULT 0,
    ADD COLUMN state_sequence   bigint NOT NULL DEFAULT 0;

ALTER TABLE mirror_group ADD COLUMN security_enabled boolean NOT NULL DEFAULT true;

-- nested: the member is a group. suspect_since: absent from a listing or a full read since then, and not believed gone yet.
ALTER TABLE mirror_member
    ADD COLUMN nested        boolean NOT NULL DEFAULT false,
    ADD COLUMN suspect_since timestamptz;
CREATE INDEX mirror_member_suspect ON mirror_member (job_id, group_id) WHERE suspect_since IS NOT NULL;
ALTER TABLE staged_member ADD COLUMN nested boolean NOT NULL DEFAULT false;

-- effective: assigned, live, and with a required role, as it was last said.
ALTER TABLE emitted ADD COLUMN effective boolean NOT NULL DEFAULT false;
UPDATE emitted SET effective = assigned;

-- Objects to ask for one by one: kind is user, group (the object) or members (the listing of a group). absences counts the answers in a row
-- that did not know it.
CREATE TABLE recheck (
    job_id    text NOT NULL,
    kind      text NOT NULL,
    object_id text NOT NULL,
    reason    text NOT NULL,
    tries     integer NOT NULL DEFAULT 0,
    absences  integer NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (job_id, kind, object_id)
);
CREATE INDEX recheck_due ON recheck (job_id, kind, due_at);
INSERT INTO recheck (job_id, kind, object_id, reason, tries, due_at)
SELECT job_id, 'user', user_id, 'unknown', tries, due_at FROM unresolved;

-- Users who lost their last path in a round and are said to have left only when a listing read after that does not give them another one.
CREATE TABLE leaving (
    job_id    text NOT NULL,
    object_id text NOT NULL,
    round     bigint NOT NULL,
    PRIMARY KEY (job_id, object_id)
);

CREATE TABLE hold (
    job_id          text NOT NULL,
    hold_id         text NOT NULL,
    state           text NOT NULL,
    reason          text NOT NULL,
    detail          text NOT NULL,
    active          bigint NOT NULL,
    removals        bigint NOT NULL,
    sequence        bigint NOT NULL DEFAULT 1,
    decided_by      text,
    decision_reason text,
    held_at         timestamptz NOT NULL,
    PRIMARY KEY (job_id, hold_id)
);
CREATE TABLE held (
    job_id    text NOT NULL,
    object_id text NOT NULL,
    hold_id   text NOT NULL,
    PRIMARY KEY (job_id, object_id)
);
CREATE INDEX held_hold ON held (job_id, hold_id);
