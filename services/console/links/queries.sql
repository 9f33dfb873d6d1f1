-- name: save_links
INSERT INTO link (job_id, object_id, generation, target_id, confirmed_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[]) ORDER BY 1, 2
ON CONFLICT (job_id, object_id) DO UPDATE
SET generation = excluded.generation, target_id = excluded.target_id, confirmed_at = excluded.confirmed_at, differs = '{}', finding = NULL
WHERE link.generation < excluded.generation;

-- name: save_compared
UPDATE link SET generation = new.generation, compared_at = new.at, finding = new.finding,
                confirmed_at = CASE WHEN new.finding = 'same' THEN new.at ELSE link.confirmed_at END,
                differs = ARRAY(SELECT json_array_elements_text(new.differs))
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::json[])
     AS new (job_id, object_id, generation, at, finding, differs)
WHERE link.job_id = new.job_id AND link.object_id = new.object_id AND link.generation < new.generation AND link.target_id IS NOT NULL;

-- name: list_links
SELECT link.*, person.status, facets->'assigned'->>3 AS display_name, asked.kind, asked.reason, asked.requested_by, asked.at AS asked_at
FROM link LEFT JOIN person USING (job_id, object_id)
LEFT JOIN LATERAL (
    SELECT kind, reason, requested_by, at FROM operator_request
    WHERE operator_request.job_id = link.job_id AND operator_request.object_id = link.object_id AND kind IN ('deleteLink', 'repairLink')
    ORDER BY position DESC LIMIT 1
) AS asked ON true
WHERE link.job_id = $1 AND (link.target_id IS NOT NULL OR $7::bool) AND link.object_id > $2
  AND ($3::text IS NULL OR link.object_id = $3) AND ($4::text IS NULL OR link.target_id = $4)
  AND (NOT $5::bool OR finding <> 'same')
ORDER BY link.object_id LIMIT $6;

-- name: count_findings
SELECT finding, count(*) AS number FROM link WHERE job_id = $1 AND finding IS NOT NULL GROUP BY finding;

-- name: find_request
SELECT kind, object_id, target_id, reason FROM operator_request WHERE job_id = $1 AND idempotency_key = $2;

-- name: insert_request
INSERT INTO operator_request (job_id, idempotency_key, kind, object_id, target_id, reason, requested_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING position;

-- name: prune_requests
DELETE FROM operator_request WHERE at < $1;

-- name: erase_links
WITH requests AS (DELETE FROM operator_request WHERE job_id = $1)
DELETE FROM link WHERE job_id = $1;
