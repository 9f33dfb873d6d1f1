-- The newest comparison of each linked person with the target. corrected is a digest of differences that were corrected, no value.
CREATE TABLE comparison (
    job_id      text NOT NULL,
    object_id   text NOT NULL,
    generation  bigint NOT NULL,
    correct     boolean NOT NULL,
    under_way   boolean NOT NULL,
    sent_at     timestamptz NOT NULL,
    compared_at timestamptz,
    finding     text,
    corrected   text,
    PRIMARY KEY (job_id, object_id)
) WITH (fillfactor = 70);
CREATE INDEX comparison_under_way ON comparison (job_id, sent_at) WHERE under_way;

-- One sweep over the links of a job: the links after position are still to be compared. finished_at is null while it goes on.
CREATE TABLE sweep (
    job_id      text PRIMARY KEY,
    correct     boolean NOT NULL,
    position    text NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz
);
