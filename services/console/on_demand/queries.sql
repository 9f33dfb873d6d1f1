-- name: insert_demand
INSERT INTO demand (job_id, request_id, correlation_id, user_name, object_id, requested_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: find_asked
SELECT user_name, asked.object_id
FROM demand JOIN operator_request AS asked ON asked.job_id = demand.job_id AND asked.idempotency_key = demand.request_id
WHERE demand.job_id = $1 AND demand.request_id = $2;

-- name: newest_demands
SELECT at FROM demand WHERE job_id = $1 AND at > $2 ORDER BY at DESC LIMIT $3;

-- name: load_demand
SELECT demand.*, person.user_principal_name, facets->'assigned'->>3 AS display_name
FROM demand LEFT JOIN person USING (job_id, object_id) WHERE job_id = $1 AND request_id = $2;

-- name: note_source
UPDATE demand SET source = new.fact, object_id = new.object_id, open = open AND NOT new.ended
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::bool[]) AS new (job_id, request_id, object_id, fact, ended)
WHERE demand.job_id = new.job_id AND demand.request_id = new.request_id;

-- name: note_decision
UPDATE demand SET decision = new.fact, object_id = new.object_id, open = open AND NOT new.ended
FROM unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::bool[]) AS new (job_id, request_id, object_id, fact, ended)
WHERE demand.job_id = new.job_id AND demand.request_id = new.request_id;

-- name: note_outcomes
UPDATE demand SET outcome = new.outcome, open = false
FROM unnest($1::text[], $2::text[], $3::json[]) AS new (correlation_id, job_id, outcome)
WHERE demand.correlation_id = new.correlation_id AND demand.job_id = new.job_id AND open;

-- name: note_waiting
UPDATE demand SET waiting = new.fact
FROM unnest($1::text[], $2::text[], $3::json[]) AS new (correlation_id, job_id, fact)
WHERE demand.correlation_id = new.correlation_id AND demand.job_id = new.job_id AND open;

-- name: prune_demands
DELETE FROM demand WHERE at < $1;

-- name: erase_demands
DELETE FROM demand WHERE job_id = $1;
