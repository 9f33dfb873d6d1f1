-- name: lock_work
SELECT job_id, object_id, generation, state, command, correlation_id, traceparent,
       next_generation, next_command, next_correlation_id, next_traceparent
FROM work
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY job_id, object_id
FOR UPDATE;

-- name: insert_work
INSERT INTO work (job_id, object_id, generation, state, command, correlation_id, traceparent)
SELECT job_id, object_id, generation, 'ready', command, correlation_id, traceparent
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
     AS row (job_id, object_id, generation, command, correlation_id, traceparent, place)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: replace_work
UPDATE work
SET generation = new.generation, state = 'ready', command = new.command, correlation_id = new.correlation_id,
    traceparent = new.traceparent, tries = 0,
    due_at = CASE WHEN work.state = 'ready' THEN least(work.due_at, now()) ELSE now() END
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
     AS new (job_id, object_id, generation, command, correlation_id, traceparent)
WHERE work.job_id = new.job_id AND work.object_id = new.object_id;

-- name: store_next
UPDATE work
SET next_generation = new.generation, next_command = new.command, next_correlation_id = new.correlation_id,
    next_traceparent = new.traceparent
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
     AS new (job_id, object_id, generation, command, correlation_id, traceparent)
WHERE work.job_id = new.job_id AND work.object_id = new.object_id;

-- name: notify
SELECT pg_notify($1, job_id) FROM unnest($2::text[]) AS job_id;

-- name: find_jobs_with_work
SELECT row.job_id
FROM unnest($1::text[]) AS row (job_id)
WHERE EXISTS (SELECT 1 FROM work WHERE work.job_id = row.job_id AND work.state = 'ready')
   OR EXISTS (SELECT 1 FROM work WHERE work.job_id = row.job_id AND work.state = 'in_flight')
   OR EXISTS (SELECT 1 FROM condition WHERE condition.job_id = row.job_id AND condition.raised);

-- name: forget_deleted_jobs
DELETE FROM work
WHERE (job_id, object_id) IN (
    SELECT work.job_id, work.object_id FROM work JOIN job ON job.job_id = work.job_id WHERE job.deleted LIMIT 1000
);

-- name: lock_left
SELECT object_id, command, correlation_id, traceparent, written, next_generation IS NOT NULL AS has_next
FROM work
WHERE job_id = $1 AND state = 'in_flight'
ORDER BY object_id
FOR UPDATE;

-- name: take_over
UPDATE work
SET state = 'ready', ambiguous = true, written = taken.written, due_at = least(due_at, now()),
    generation = coalesce(next_generation, generation),
    command = coalesce(next_command, command),
    correlation_id = coalesce(next_correlation_id, correlation_id),
    traceparent = CASE WHEN next_generation IS NOT NULL THEN next_traceparent ELSE traceparent END,
    tries = CASE WHEN next_generation IS NOT NULL THEN 0 ELSE tries END,
    next_generation = NULL, next_command = NULL, next_correlation_id = NULL, next_traceparent = NULL
FROM unnest($2::text[], $3::text[]) AS taken (object_id, written)
WHERE work.job_id = $1 AND work.object_id = taken.object_id;

-- name: claim
WITH due AS (
    SELECT object_id FROM work
    WHERE job_id = $1 AND state = 'ready' AND due_at <= now()
    ORDER BY due_at, position
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE work SET state = 'in_flight', tries = tries + 1
FROM due
WHERE work.job_id = $1 AND work.object_id = due.object_id
RETURNING work.object_id, work.generation, work.command, work.correlation_id, work.traceparent, work.tries, work.ambiguous,
          work.target_id, work.written, work.due_at, work.position;

-- name: is_asked_for
SELECT EXISTS (SELECT 1 FROM work WHERE job_id = $1 AND state = 'ready' AND command LIKE '%"onDemand":true%');

-- name: claim_on_demand
WITH due AS (
    SELECT object_id FROM work
    WHERE job_id = $1 AND state = 'ready' AND command LIKE '%"onDemand":true%' AND due_at <= now()
    ORDER BY due_at, position
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE work SET state = 'in_flight', tries = tries + 1
FROM due
WHERE work.job_id = $1 AND work.object_id = due.object_id
RETURNING work.object_id, work.generation, work.command, work.correlation_id, work.traceparent, work.tries, work.ambiguous,
          work.target_id, work.written, work.due_at, work.position;

-- name: lock_in_flight
SELECT object_id, generation, next_generation IS NOT NULL AS has_next
FROM work
WHERE job_id = $1 AND object_id = ANY ($2::text[]) AND state = 'in_flight'
ORDER BY object_id
FOR UPDATE;

-- name: settle
UPDATE work
SET state = CASE WHEN work.next_generation IS NOT NULL THEN 'ready' ELSE result.state END,
    generation = coalesce(work.next_generation, work.generation),
    command = CASE WHEN work.next_generation IS NOT NULL THEN work.next_command
                   WHEN result.state = 'ready' THEN work.command END,
    correlation_id = coalesce(work.next_correlation_id, work.correlation_id),
    traceparent = CASE WHEN work.next_generation IS NOT NULL THEN work.next_traceparent ELSE work.traceparent END,
    next_generation = NULL, next_command = NULL, next_correlation_id = NULL, next_traceparent = NULL,
    tries = CASE WHEN work.next_generation IS NOT NULL THEN 0 ELSE result.tries END,
    ambiguous = result.ambiguous,
    target_id = result.target_id,
    written = result.written,
    due_at = CASE WHEN work.next_generation IS NOT NULL THEN now()
                  ELSE now() + result.delay_seconds * interval '1 second' END
FROM unnest($2::text[], $3::text[], $4::int[], $5::float8[], $6::bool[], $7::text[], $8::text[])
     AS result (object_id, state, tries, delay_seconds, ambiguous, target_id, written)
WHERE work.job_id = $1 AND work.object_id = result.object_id;

-- name: load_condition
SELECT name, raised, failure, sequence FROM condition WHERE job_id = $1;

-- name: store_condition
INSERT INTO condition (job_id, name, raised, failure, sequence, changed_at)
VALUES ($1, $2, $3, $4, 1, $5)
ON CONFLICT (job_id) DO UPDATE
SET name = excluded.name, raised = excluded.raised, failure = excluded.failure, sequence = condition.sequence + 1,
    changed_at = excluded.changed_at
RETURNING sequence;
