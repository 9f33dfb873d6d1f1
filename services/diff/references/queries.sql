-- name: save_references
INSERT INTO reference (job_id, object_id, referenced_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (job_id, object_id) DO UPDATE SET referenced_id = excluded.referenced_id;

-- name: forget_references
DELETE FROM reference WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]));

-- name: note_changed
INSERT INTO reference_changed (job_id, object_id) SELECT * FROM unnest($1::text[], $2::text[]);

-- name: take_changed
DELETE FROM reference_changed
WHERE number IN (SELECT number FROM reference_changed ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING job_id, object_id;

-- name: out_of_step
WITH changed AS (SELECT DISTINCT * FROM unnest($1::text[], $2::text[]) AS word (job_id, object_id)),
concerned AS (
    SELECT reference.* FROM reference JOIN changed USING (job_id, object_id)
    UNION
    SELECT reference.* FROM reference
    JOIN changed ON (reference.job_id, reference.referenced_id) = (changed.job_id, changed.object_id)
)
SELECT concerned.*, other.target_id
FROM concerned
JOIN person AS own USING (job_id, object_id)
LEFT JOIN person AS other
    ON (other.job_id, other.object_id) = (concerned.job_id, concerned.referenced_id) AND other.linked
WHERE own.resolved ->> concerned.referenced_id IS DISTINCT FROM other.target_id
LIMIT $3;
