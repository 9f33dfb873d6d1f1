-- name: lock_people
SELECT job_id, object_id, person_no, facets
FROM person JOIN unnest($1::text[], $2::text[]) AS wanted (job_id, object_id) USING (job_id, object_id)
ORDER BY job_id, object_id FOR NO KEY UPDATE OF person;

-- name: insert_people
INSERT INTO person (job_id, object_id, facets, status, code, user_principal_name, license_state, license_ticket)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::json[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]
) ORDER BY 1, 2
ON CONFLICT DO NOTHING RETURNING job_id, object_id, person_no;

-- name: save_people
UPDATE person SET
    facets = new.facets, status = new.status, code = new.code, user_principal_name = new.user_principal_name,
    license_state = new.license_state, license_ticket = new.license_ticket, updated_at = now()
FROM unnest(
    $1::text[], $2::text[], $3::json[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]
) AS new (job_id, object_id, facets, status, code, user_principal_name, license_state, license_ticket)
WHERE person.job_id = new.job_id AND person.object_id = new.object_id;

-- name: count_cycle_objects
INSERT INTO cycle (job_id, cycle_id, kind, phase, seen, started_at)
SELECT job_id, cycle_id, kind, 'started', seen, at
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) AS new (job_id, cycle_id, kind, seen, at)
ORDER BY job_id, cycle_id
ON CONFLICT (job_id, cycle_id) DO UPDATE SET seen = cycle.seen + excluded.seen;

-- name: save_cycles
INSERT INTO cycle (job_id, cycle_id, kind, phase, objects, started_at, ended_at, failure)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[], $8::jsonb[]
) ORDER BY 1, 2
ON CONFLICT (job_id, cycle_id) DO UPDATE SET
    kind = excluded.kind, objects = greatest(cycle.objects, excluded.objects), started_at = excluded.started_at,
    phase = CASE WHEN excluded.phase = 'started' THEN cycle.phase ELSE excluded.phase END,
    ended_at = coalesce(excluded.ended_at, cycle.ended_at), failure = coalesce(excluded.failure, cycle.failure);

-- name: save_conditions
INSERT INTO condition (job_id, condition, service, sequence, state, failure, at)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::jsonb[], $7::timestamptz[]
) ORDER BY 1, 2, 3
ON CONFLICT (job_id, condition, service) DO UPDATE SET
    sequence = excluded.sequence, state = excluded.state, failure = excluded.failure, at = excluded.at
WHERE condition.sequence < excluded.sequence;

-- name: prune_timeline
DELETE FROM timeline WHERE ctid = ANY (ARRAY(SELECT ctid FROM timeline WHERE at < $1 LIMIT 10000));

-- name: prune_log
DELETE FROM provisioning_log WHERE ctid = ANY (ARRAY(SELECT ctid FROM provisioning_log WHERE at < $1 LIMIT 10000));

-- name: prune_cycles
DELETE FROM cycle WHERE coalesce(ended_at, started_at) < $1;

-- name: prune_sessions
DELETE FROM web_session WHERE expires_at < now();

-- name: list_deleted_jobs
SELECT job_id FROM job_definition AS job WHERE deleted AND (
    EXISTS (SELECT FROM person WHERE person.job_id = job.job_id)
    OR EXISTS (SELECT FROM source_state WHERE source_state.job_id = job.job_id)
    OR EXISTS (SELECT FROM hold WHERE hold.job_id = job.job_id)
    OR EXISTS (SELECT FROM preview WHERE preview.job_id = job.job_id)
    OR EXISTS (SELECT FROM link WHERE link.job_id = job.job_id)
    OR EXISTS (SELECT FROM operator_request WHERE operator_request.job_id = job.job_id)
    OR EXISTS (SELECT FROM demand WHERE demand.job_id = job.job_id)
);

-- name: erase_timelines
DELETE FROM timeline WHERE person_no IN (SELECT person_no FROM person WHERE job_id = $1);

-- name: erase_people
DELETE FROM person WHERE job_id = $1;

-- name: erase_log
DELETE FROM provisioning_log WHERE job_id = $1;

-- name: list_jobs
SELECT * FROM job_definition WHERE NOT deleted ORDER BY created_at, job_id;

-- name: load_job
SELECT * FROM job_definition WHERE job_id = $1 AND NOT deleted;

-- name: lock_job
SELECT * FROM job_definition WHERE job_id = $1 FOR UPDATE;

-- name: insert_job
INSERT INTO job_definition (job_id, version, definition, schedule, secrets, request_sha256, created_at, changed_at)
VALUES ($1, 1, $2, $3, '{}', $4, $5, $5) ON CONFLICT DO NOTHING RETURNING *;

-- name: save_job
UPDATE job_definition
SET version = $2, definition = $3, schedule = $4, secrets = $5, deleted = $6, changed_at = $7, restarts = $8, resets = $9
WHERE job_id = $1
RETURNING *;

-- name: append_audit
INSERT INTO operator_audit (at, operator, role, token_id, action, job_id, details, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: list_audit
SELECT * FROM operator_audit
WHERE ($1::bigint IS NULL OR position < $1) AND ($2::text IS NULL OR job_id = $2) ORDER BY position DESC LIMIT $3;

-- name: insert_token
INSERT INTO console.operator_token (name, role, sha256, expires_at) VALUES ($1, $2, $3, $4) RETURNING token_id;

-- name: audit_token
INSERT INTO console.operator_audit (at, operator, role, token_id, action, details)
VALUES ($1, 'command line', 'admin', $2, 'tokens.create', $3);

-- name: find_token
SELECT token_id, name, role, last_used_at IS NULL OR last_used_at < now() - interval '1 minute' AS touch
FROM operator_token WHERE sha256 = $1 AND expires_at > now() AND revoked_at IS NULL;

-- name: touch_token
UPDATE operator_token SET last_used_at = now() WHERE token_id = $1;

-- name: insert_session
INSERT INTO web_session (sha256, token_id, expires_at) VALUES ($1, $2, now() + $3::interval);

-- name: find_session
SELECT operator_token.token_id, name, role, false AS touch FROM web_session JOIN operator_token USING (token_id)
WHERE web_session.sha256 = $1 AND web_session.expires_at > now() AND operator_token.expires_at > now() AND revoked_at IS NULL;

-- name: delete_session
DELETE FROM web_session WHERE sha256 = $1;

-- name: count_people
SELECT status, count(*) AS number FROM person WHERE job_id = $1 GROUP BY status;

-- name: count_failures
SELECT coalesce(code, 'InternalError') AS code, count(*) AS number, min(written_at) AS since,
       min(retry_at) AS next_attempt_at, (array_agg(object_id ORDER BY written_at))[1:3] AS examples
FROM (
    SELECT object_id, code, (facets->'written'->>3)::timestamptz AS written_at,
           (facets->'written'->>9)::timestamptz AS retry_at
    FROM person WHERE job_id = $1 AND status = 'failed'
) AS failed
GROUP BY 1 ORDER BY number DESC, code;

-- name: count_licenses
SELECT license_state, count(*) AS number FROM person WHERE job_id = $1 AND license_state IS NOT NULL GROUP BY license_state;

-- name: list_waiting
SELECT * FROM person WHERE job_id = $1 AND license_state = 'waiting' ORDER BY license_ticket, object_id LIMIT $2;

-- name: count_before_in_line
SELECT count(*) FROM person WHERE job_id = $1 AND license_state = 'waiting' AND license_ticket < $2;

-- name: list_license_users
SELECT * FROM person WHERE job_id = $1 AND license_state IN ('granted', 'reserved', 'waiting') AND object_id > $2
ORDER BY object_id LIMIT $3;

-- name: list_people
SELECT * FROM person WHERE job_id = $1 AND object_id > $2 ORDER BY object_id LIMIT $3;

-- name: list_people_with_status
SELECT * FROM person WHERE job_id = $1 AND status = $2 AND object_id > $3 ORDER BY object_id LIMIT $4;

-- name: find_person
SELECT * FROM person WHERE job_id = $1 AND object_id = $2;

-- name: find_person_by_name
SELECT * FROM person WHERE job_id = $1 AND lower(user_principal_name) = lower($2)
ORDER BY (facets->'assigned'->>1)::bool DESC NULLS LAST, updated_at DESC, object_id LIMIT 1;

-- name: load_timeline
SELECT at, kind, service, facts FROM timeline WHERE person_no = $1 ORDER BY at DESC LIMIT $2;

-- name: load_newest_cycle
SELECT * FROM cycle WHERE job_id = $1 ORDER BY started_at DESC, cycle_id DESC LIMIT 1;

-- name: load_last_cycle
SELECT * FROM cycle WHERE job_id = $1 AND phase <> 'started' ORDER BY started_at DESC, cycle_id DESC LIMIT 1;

-- name: list_conditions
SELECT * FROM condition WHERE job_id = $1 AND state = 'raised' ORDER BY at, condition;

-- name: list_log
SELECT provisioning_log.*, facets->'assigned'->>3 AS display_name
FROM provisioning_log LEFT JOIN person USING (job_id, object_id)
WHERE ($1::bigint IS NULL OR position < $1) AND ($2::text IS NULL OR provisioning_log.job_id = $2)
  AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR provisioning_log.status = $4)
ORDER BY position DESC LIMIT $5;

-- name: list_log_of_person
SELECT provisioning_log.*, facets->'assigned'->>3 AS display_name
FROM provisioning_log LEFT JOIN person USING (job_id, object_id)
WHERE ($1::bigint IS NULL OR position < $1) AND ($2::text IS NULL OR provisioning_log.job_id = $2)
  AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR provisioning_log.status = $4)
  AND provisioning_log.object_id = $6
ORDER BY position DESC LIMIT $5;

-- name: save_source_states
INSERT INTO source_state (job_id, sequence, state)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::json[]) ORDER BY 1
ON CONFLICT (job_id) DO UPDATE SET sequence = excluded.sequence, state = excluded.state
WHERE source_state.sequence < excluded.sequence;

-- name: save_holds
INSERT INTO hold (job_id, hold_id, sequence, open, held_at, at, fact)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bool[], $5::timestamptz[], $6::timestamptz[], $7::json[]
) ORDER BY 1, 2
ON CONFLICT (job_id, hold_id) DO UPDATE SET
    sequence = excluded.sequence, open = excluded.open, held_at = excluded.held_at, at = excluded.at, fact = excluded.fact
WHERE hold.sequence < excluded.sequence;

-- name: load_source_state
SELECT state FROM source_state WHERE job_id = $1;

-- name: list_holds
SELECT hold.fact, asked.* FROM hold LEFT JOIN LATERAL (
    SELECT decision, reason AS asked_reason, requested_by, at AS asked_at FROM hold_request
    WHERE hold_request.job_id = hold.job_id AND hold_request.hold_id = hold.hold_id ORDER BY position DESC LIMIT 1
) AS asked ON true
WHERE hold.job_id = $1 AND (
    $2::bool IS NULL OR open < $2 OR (open = $2 AND held_at < $3)
    OR (open = $2 AND held_at = $3 AND hold.hold_id > $4)
)
ORDER BY open DESC, held_at DESC, hold.hold_id LIMIT $5;

-- name: list_open_holds
SELECT fact FROM hold WHERE job_id = $1 AND open ORDER BY held_at DESC, hold_id;

-- name: lock_hold
SELECT fact FROM hold WHERE job_id = $1 AND hold_id = $2 FOR UPDATE;

-- name: find_hold_request
SELECT hold_id, decision, reason FROM hold_request WHERE job_id = $1 AND idempotency_key = $2;

-- name: load_newest_hold_request
SELECT decision, reason AS asked_reason, requested_by, at AS asked_at, position FROM hold_request
WHERE job_id = $1 AND hold_id = $2 ORDER BY position DESC LIMIT 1;

-- name: insert_hold_request
INSERT INTO hold_request (job_id, idempotency_key, hold_id, position, decision, reason, requested_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING position;

-- name: prune_holds
DELETE FROM hold WHERE NOT open AND at < $1;

-- name: prune_hold_requests
DELETE FROM hold_request WHERE at < $1 AND NOT EXISTS (
    SELECT FROM hold WHERE hold.job_id = hold_request.job_id AND hold.hold_id = hold_request.hold_id
);

-- name: erase_source
DELETE FROM source_state WHERE job_id = $1;

-- name: erase_holds
DELETE FROM hold WHERE job_id = $1;

-- name: load_newest_schema
SELECT schema_version, document FROM job_schema WHERE job_id = $1 ORDER BY schema_version DESC LIMIT 1;

-- name: load_schema
SELECT schema_version, document FROM job_schema WHERE job_id = $1 AND schema_version = $2;

-- name: list_schemas
SELECT schema_version, document IS NULL AS is_default, restored_from, operator, reason, saved_at
FROM job_schema WHERE job_id = $1 ORDER BY schema_version DESC LIMIT $2;

-- name: append_schema
INSERT INTO job_schema (job_id, schema_version, document, restored_from, operator, reason, saved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: find_preview_request
SELECT * FROM preview WHERE job_id = $1 AND idempotency_key = $2;

-- name: insert_preview
INSERT INTO preview (
    job_id, preview_id, number, idempotency_key, job_version, schema_sha256, job_sha256, requested_by, reason, at
)
SELECT $1, $2, coalesce(max(number), 0) + 1, $3, $4, $5, $6, $7, $8, $9 FROM preview WHERE job_id = $1
RETURNING *;

-- name: load_preview
SELECT * FROM preview WHERE job_id = $1 AND preview_id = $2;

-- name: list_previews
SELECT * FROM preview WHERE job_id = $1 AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3;

-- name: save_previews
UPDATE preview SET sequence = new.sequence, fact = new.fact
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::json[]) AS new (job_id, preview_id, sequence, fact)
WHERE (preview.job_id, preview.preview_id) = (new.job_id, new.preview_id) AND preview.sequence < new.sequence;

-- name: append_preview_rows
INSERT INTO preview_row (job_id, preview_id, number, action, object_type, row)
SELECT new.* FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::json[])
    AS new (job_id, preview_id, number, action, object_type, row)
JOIN preview USING (job_id, preview_id)
ON CONFLICT DO NOTHING;

-- name: list_preview_rows
SELECT number, row FROM preview_row
WHERE job_id = $1 AND preview_id = $2 AND number > $3
  AND ($4::text IS NULL OR action = $4) AND ($5::text IS NULL OR object_type = $5)
ORDER BY number LIMIT $6;

-- name: prune_previews
DELETE FROM preview WHERE at < $1;

-- name: erase_previews
DELETE FROM preview WHERE job_id = $1;
