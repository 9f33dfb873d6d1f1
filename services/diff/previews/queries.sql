-- name: insert_preview
INSERT INTO preview (job_id, preview_id, number, state, job_version, wish, correlation_id, traceparent)
VALUES ($1, $2, $3, 'waiting', $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING preview_id;

-- name: supersede_previews
UPDATE preview SET state = 'superseded', wish = NULL, sequence = sequence + 1, ended_at = now()
WHERE job_id = $1 AND state IN ('waiting', 'running')
  AND number < (SELECT max(number) FROM preview AS newest WHERE newest.job_id = $1)
RETURNING *;

-- name: list_open
SELECT job_id, preview_id FROM preview WHERE state IN ('waiting', 'running') ORDER BY asked_at, job_id, preview_id;

-- name: lock_open
SELECT * FROM preview WHERE job_id = $1 AND preview_id = $2 AND state IN ('waiting', 'running') FOR UPDATE;

-- name: begin_preview
UPDATE preview SET state = 'running', attempts = attempts + 1, sequence = sequence + 1
WHERE job_id = $1 AND preview_id = $2 RETURNING *;

-- name: advance_preview
UPDATE preview SET sequence = sequence + 1
WHERE job_id = $1 AND preview_id = $2 AND state = 'running' AND attempts = $3 RETURNING sequence;

-- name: end_preview
UPDATE preview SET state = $4, wish = NULL, sequence = sequence + $5, ended_at = now()
WHERE job_id = $1 AND preview_id = $2 AND state IN ('waiting', 'running') AND attempts = $3 RETURNING sequence;

-- name: forget_previews
DELETE FROM preview WHERE ended_at < now() - interval '1 day';

-- name: count_objects
SELECT (SELECT count(*) FROM person WHERE job_id = $1) + (SELECT count(*) FROM group_object WHERE job_id = $1);

-- name: read_persons
SELECT * FROM person WHERE job_id = $1 AND object_id > $2 ORDER BY object_id LIMIT $3;

-- name: read_groups
SELECT * FROM group_object WHERE job_id = $1 ORDER BY object_id;

-- name: held_values
SELECT object_id, digest FROM matching_value WHERE job_id = $1 AND object_id = ANY ($2::text[]);

-- name: held_names
SELECT object_id, digest FROM group_name WHERE job_id = $1;
