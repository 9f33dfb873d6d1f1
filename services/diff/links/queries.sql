-- name: save_comparisons
INSERT INTO comparison (job_id, object_id, generation, correct, under_way, sent_at)
SELECT job_id, object_id, generation, correct, true, $5
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bool[]) AS new (job_id, object_id, generation, correct)
ON CONFLICT (job_id, object_id) DO UPDATE
SET generation = excluded.generation, correct = excluded.correct, under_way = true, sent_at = excluded.sent_at;

-- name: load_comparisons
SELECT job_id, object_id, generation, correct, corrected FROM comparison
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]));

-- name: end_comparisons
UPDATE comparison SET under_way = false, compared_at = $6, finding = new.finding, corrected = new.corrected
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS new (job_id, object_id, generation, finding, corrected)
WHERE comparison.job_id = new.job_id AND comparison.object_id = new.object_id AND comparison.generation = new.generation;

-- name: count_under_way
SELECT count(*) FROM comparison WHERE job_id = $1 AND under_way AND sent_at > $2;

-- name: begin_sweep
INSERT INTO sweep (job_id, correct, position, started_at) VALUES ($1, $2, '', $3)
ON CONFLICT (job_id) DO UPDATE
SET correct = excluded.correct, position = '', started_at = excluded.started_at, finished_at = NULL;

-- name: load_sweep
SELECT correct, position, started_at, finished_at FROM sweep WHERE job_id = $1 FOR UPDATE;

-- name: move_sweep
UPDATE sweep SET position = $2, finished_at = $3 WHERE job_id = $1;

-- name: lock_linked
SELECT person.* FROM person
WHERE job_id = $1 AND object_id > $2 AND linked AND target_id IS NOT NULL ORDER BY object_id LIMIT $3 FOR UPDATE;
