-- name: add_deltas
INSERT INTO tally_delta (job_id, failing, references_, ok, scope, recovered)
SELECT * FROM unnest($1::text[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[]);

-- name: take_deltas
WITH taken AS (DELETE FROM tally_delta RETURNING *)
SELECT job_id, sum(failing)::int AS failing, sum(references_)::int AS references_, sum(ok)::int AS ok, sum(scope)::int AS scope,
    sum(recovered)::int AS recovered
FROM taken GROUP BY job_id;

-- name: open_health
INSERT INTO job_health (job_id, health, quarantined) VALUES ($1, $2, false) ON CONFLICT (job_id) DO NOTHING;

-- name: lock_health
SELECT health, heard_sequence, sequence FROM job_health WHERE job_id = $1 FOR UPDATE;

-- name: save_health
UPDATE job_health SET health = $2, quarantined = $3, probe_until = $4, heard_sequence = $5, sequence = $6 WHERE job_id = $1;

-- name: watched_jobs
SELECT job_id FROM job_health JOIN job USING (job_id) WHERE NOT job.deleted AND quarantined ORDER BY job_id;

-- name: try_failed
UPDATE person SET next_attempt_at = $2
WHERE (job_id, object_id) IN (
    SELECT job_id, object_id FROM person
    WHERE job_id = $1 AND failing_since IS NOT NULL AND NOT in_flight AND staged_in IS NULL
    ORDER BY failing_since LIMIT $3 FOR UPDATE SKIP LOCKED);
