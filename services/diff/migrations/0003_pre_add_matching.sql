-- Which user of a job has which matching value (a digest, never the value): nobody else is linked by it.
CREATE TABLE matching_value (
    job_id     text NOT NULL,
    digest     text NOT NULL,
    object_id  text NOT NULL,
    PRIMARY KEY (job_id, digest)
);

CREATE INDEX matching_value_object ON matching_value (job_id, object_id);

-- Who has an account already that a search found for somebody else.
CREATE INDEX person_target_id ON person (job_id, target_id) WHERE target_id IS NOT NULL;

-- By which rules the people of a job were decided: all of them when done_up_to is null, else those up to that object id.
CREATE TABLE rules_pass (
    job_id      text PRIMARY KEY,
    rules       text NOT NULL,
    passes      bigint NOT NULL,
    done_up_to  text
);

-- The newest version of a job's schema whose attributes an initial cycle has read of everybody. Until then an attribute without a value may
-- just not have been read.
CREATE TABLE read_schema (
    job_id   text PRIMARY KEY,
    version  bigint NOT NULL
);
