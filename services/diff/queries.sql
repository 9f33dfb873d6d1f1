-- name: lock_persons
SELECT person.* FROM person
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY job_id, object_id FOR UPDATE;

-- name: lock_due
SELECT person.* FROM person JOIN job USING (job_id) LEFT JOIN job_health USING (job_id)
WHERE next_attempt_at <= $1 AND NOT job.deleted AND job.record ->> 'schedule' = 'Active'
  AND (job_health.quarantined IS NOT TRUE OR job_health.probe_until > $1)
ORDER BY next_attempt_at LIMIT $2 FOR UPDATE OF person SKIP LOCKED;

-- name: next_due
SELECT next_attempt_at FROM person JOIN job USING (job_id) LEFT JOIN job_health USING (job_id)
WHERE next_attempt_at IS NOT NULL AND NOT job.deleted AND job.record ->> 'schedule' = 'Active'
  AND (job_health.quarantined IS NOT TRUE OR job_health.probe_until > now())
ORDER BY next_attempt_at LIMIT 1;

-- name: lock_staged
SELECT person.* FROM person WHERE job_id = $1 AND staged_in = $2 ORDER BY object_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: lock_after
SELECT person.* FROM person WHERE job_id = $1 AND object_id > $2 ORDER BY object_id LIMIT $3 FOR UPDATE;

-- name: save_assigned
INSERT INTO person (
    job_id, object_id, sent_generation, sent_operation, desired, touched, in_flight, linked, target_id,
    confirmed, settled_generation, doubtful, entered, status, reason_code, reasons, attempts,
    next_attempt_at, failing_since, escrows, staged_in, released, license_sequence, license_generation,
    license_waiting, event_sequence, user_sequence, resolved, assignment, correlation_id,
    traceparent
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::json[], $6::json[], $7::bool[], $8::bool[],
    $9::text[], $10::json[], $11::bigint[], $12::json[], $13::bool[], $14::text[], $15::text[],
    $16::json[], $17::int[], $18::timestamptz[], $19::timestamptz[], $20::int[], $21::text[], $22::bool[],
    $23::bigint[], $24::bigint[], $25::bool[], $26::bigint[], $27::bigint[], $28::json[], $29::json[],
    $30::text[], $31::text[]
)
ON CONFLICT (job_id, object_id) DO UPDATE SET
    sent_generation = excluded.sent_generation, sent_operation = excluded.sent_operation, desired =
    excluded.desired, touched = excluded.touched, in_flight = excluded.in_flight, linked = excluded.linked,
    target_id = excluded.target_id, confirmed = excluded.confirmed, settled_generation =
    excluded.settled_generation, doubtful = excluded.doubtful, entered = excluded.entered, status =
    excluded.status, reason_code = excluded.reason_code, reasons = excluded.reasons, attempts =
    excluded.attempts, next_attempt_at = excluded.next_attempt_at, failing_since = excluded.failing_since,
    escrows = excluded.escrows, staged_in = excluded.staged_in, released = excluded.released, license_sequence =
    excluded.license_sequence, license_generation = excluded.license_generation, license_waiting =
    excluded.license_waiting, event_sequence = excluded.event_sequence, user_sequence =
    excluded.user_sequence, resolved = excluded.resolved, assignment = excluded.assignment, correlation_id = excluded.correlation_id,
    traceparent = excluded.traceparent, changed_at = now();

-- name: save_seen
UPDATE person SET
    assignment = new.assignment, correlation_id = new.correlation_id, traceparent = new.traceparent, changed_at =
    now()
FROM unnest($1::text[], $2::text[], $3::json[], $4::text[], $5::text[]) AS new (
    job_id, object_id, assignment, correlation_id, traceparent
)
WHERE person.job_id = new.job_id AND person.object_id = new.object_id;

-- name: save_decided
UPDATE person SET
    sent_generation = new.sent_generation, sent_operation = new.sent_operation, desired = new.desired, touched
    = new.touched, in_flight = new.in_flight, linked = new.linked, target_id = new.target_id, confirmed =
    new.confirmed, settled_generation = new.settled_generation, doubtful = new.doubtful, entered =
    new.entered, status = new.status, reason_code = new.reason_code, reasons = new.reasons, attempts =
    new.attempts, next_attempt_at = new.next_attempt_at, failing_since = new.failing_since, escrows =
    new.escrows, staged_in = new.staged_in, released = new.released, license_sequence = new.license_sequence,
    license_generation = new.license_generation, license_waiting = new.license_waiting, event_sequence =
    new.event_sequence, user_sequence = new.user_sequence, resolved = new.resolved, changed_at = now()
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::json[], $6::json[], $7::bool[], $8::bool[],
    $9::text[], $10::json[], $11::bigint[], $12::json[], $13::bool[], $14::text[], $15::text[],
    $16::json[], $17::int[], $18::timestamptz[], $19::timestamptz[], $20::int[], $21::text[], $22::bool[],
    $23::bigint[], $24::bigint[], $25::bool[], $26::bigint[], $27::bigint[], $28::json[]
) AS new (
    job_id, object_id, sent_generation, sent_operation, desired, touched, in_flight, linked, target_id,
    confirmed, settled_generation, doubtful, entered, status, reason_code, reasons, attempts,
    next_attempt_at, failing_since, escrows, staged_in, released, license_sequence, license_generation,
    license_waiting, event_sequence, user_sequence, resolved
)
WHERE person.job_id = new.job_id AND person.object_id = new.object_id;

-- name: note_values
INSERT INTO matching_value (job_id, digest, object_id)
SELECT DISTINCT ON (job_id, digest) job_id, digest, object_id
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS new (job_id, digest, object_id, place)
ORDER BY job_id, digest, place
ON CONFLICT (job_id, digest) DO NOTHING;

-- name: owners_of_values
SELECT job_id, digest, object_id FROM matching_value
WHERE (job_id, digest) IN (SELECT * FROM unnest($1::text[], $2::text[]));

-- name: forget_values
DELETE FROM matching_value
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND (job_id, digest) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]));

-- name: owners_of_accounts
SELECT job_id, target_id, object_id FROM person
WHERE (job_id, target_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND target_id IS NOT NULL AND linked;

-- name: lock_rules_pass
SELECT rules, passes, done_up_to FROM rules_pass WHERE job_id = $1 FOR UPDATE;

-- name: read_schema_version
SELECT coalesce(max(version), 0) FROM read_schema WHERE job_id = $1;

-- name: save_rules_pass
INSERT INTO rules_pass (job_id, rules, passes, done_up_to) VALUES ($1, $2, $3, $4)
ON CONFLICT (job_id) DO UPDATE SET
    rules = excluded.rules, passes = excluded.passes, done_up_to = excluded.done_up_to;
