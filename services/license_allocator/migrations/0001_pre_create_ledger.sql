-- One pool of licenses for each job. Every transaction that moves a license locks the pool's row first.
CREATE TABLE pool (
    job_id               text PRIMARY KEY,
    version              bigint NOT NULL,
    application_instance text NOT NULL,
    license_type         text NOT NULL,
    auto_assign          boolean NOT NULL,
    when_exhausted       text NOT NULL CHECK (when_exhausted IN ('wait', 'provision_without_license')),
    capacity             integer NOT NULL CHECK (capacity >= 0),
    in_use               integer NOT NULL DEFAULT 0 CHECK (in_use >= 0),
    waiting              integer NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    next_ticket          bigint NOT NULL DEFAULT 1 CHECK (next_ticket >= 1),
    overcommitted        boolean NOT NULL DEFAULT false,
    closed               boolean NOT NULL DEFAULT false,
    -- Only a lowered capacity sets overcommitted, so nothing that is reserved can pass this.
    CONSTRAINT never_over_issued CHECK (in_use <= capacity OR overcommitted)
) WITH (fillfactor = 50);

-- Where each user stands: the primary key is what keeps it at one license for one user.
CREATE TABLE license (
    job_id         text NOT NULL,
    object_id      text NOT NULL,
    state          text NOT NULL CHECK (state IN ('none', 'waiting', 'reserved', 'granted', 'released')),
    ticket         bigint,
    generation     bigint NOT NULL,
    settled        bigint NOT NULL DEFAULT 0,
    sequence       bigint NOT NULL DEFAULT 0,
    let_out        boolean NOT NULL DEFAULT false,
    change         json,
    correlation_id text,
    traceparent    text,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (job_id, object_id),
    CONSTRAINT one_ticket_for_one_user UNIQUE (job_id, ticket),
    CONSTRAINT a_ticket_where_one_is_needed CHECK (ticket IS NOT NULL OR state = 'none'),
    CONSTRAINT a_change_only_while_waiting CHECK ((change IS NOT NULL) = (state = 'waiting'))
) WITH (fillfactor = 80);
CREATE INDEX license_line ON license (job_id, ticket) WHERE state = 'waiting';

-- Every step that a license took, in order; rows are only ever added. The tickets of the rows from none, waiting or released to reserved
-- rise strictly within a job: that is "first come, first served" for anyone to check.
CREATE TABLE license_history (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     text NOT NULL,
    object_id  text NOT NULL,
    ticket     bigint NOT NULL,
    from_state text NOT NULL,
    to_state   text NOT NULL,
    reason     text NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX license_history_object ON license_history (job_id, object_id, seq);
