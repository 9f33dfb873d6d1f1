-- How often each scope of a restart was asked for, the watermark apart: that one is counted by restarts.
ALTER TABLE job_definition ADD COLUMN resets jsonb NOT NULL DEFAULT '{}';
