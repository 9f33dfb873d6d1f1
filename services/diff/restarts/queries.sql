-- name: jobs_with_resets
SELECT job_id FROM job
WHERE NOT deleted AND (record -> 'resets' <> '{}'::jsonb OR job_id IN (SELECT job_id FROM applied_reset WHERE position IS NOT NULL))
ORDER BY job_id;

-- name: lock_applied
SELECT scope, count, position FROM applied_reset WHERE job_id = $1 ORDER BY scope FOR UPDATE;

-- name: begin
INSERT INTO applied_reset (job_id, scope, count, position) VALUES ($1, $2, $3, $4)
ON CONFLICT (job_id, scope) DO UPDATE SET count = excluded.count, position = excluded.position;

-- name: proceed
UPDATE applied_reset SET position = $3 WHERE job_id = $1 AND scope = $2;

-- name: note_initial
INSERT INTO applied_reset (job_id, scope, count) VALUES ($1, 'Sweep', 1)
ON CONFLICT (job_id, scope) DO UPDATE SET count = applied_reset.count + 1, position = '';

-- name: note_read
INSERT INTO read_schema (job_id, version) VALUES ($1, $2)
ON CONFLICT (job_id) DO UPDATE SET version = greatest(read_schema.version, excluded.version);

-- name: release_holds
SELECT cycle_id FROM cycle WHERE job_id = $1 AND state IN ('held', 'rejected') ORDER BY started_at, cycle_id;

-- name: retry_users
UPDATE person SET next_attempt_at = $3::timestamptz, failing_since = CASE WHEN failing_since IS NULL THEN NULL ELSE $3::timestamptz END, escrows = 0
WHERE (job_id, object_id) = ($1, $2) AND status = 'failed' AND NOT in_flight AND staged_in IS NULL
RETURNING object_id;
