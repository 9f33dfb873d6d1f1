-- Every synchronization schema that was saved for a job, the newest in force. Without a document it is the default of the job's template.
CREATE TABLE job_schema (
    job_id         text NOT NULL REFERENCES job_definition,
    schema_version integer NOT NULL CHECK (schema_version > 0),
    document       text,
    restored_from  integer,
    operator       text NOT NULL,
    reason         text NOT NULL,
    saved_at       timestamptz NOT NULL,
    PRIMARY KEY (job_id, schema_version)
);
