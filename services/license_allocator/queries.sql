-- name: lock_pools
SELECT job_id, application_instance, license_type, auto_assign, when_exhausted, capacity, in_use, waiting, next_ticket, closed
FROM pool WHERE job_id = ANY ($1::text[]) ORDER BY job_id FOR UPDATE;

-- name: define_pools
INSERT INTO pool (job_id, version, application_instance, license_type, auto_assign, when_exhausted, capacity, closed)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::int[], $8::bool[])
ON CONFLICT (job_id) DO UPDATE
SET version = excluded.version, application_instance = excluded.application_instance, license_type = excluded.license_type,
    auto_assign = excluded.auto_assign, when_exhausted = excluded.when_exhausted, capacity = excluded.capacity,
    closed = excluded.closed, overcommitted = pool.in_use > excluded.capacity
WHERE pool.version < excluded.version;

-- name: save_pools
UPDATE pool SET in_use = saved.in_use, waiting = saved.waiting, next_ticket = saved.next_ticket,
    overcommitted = pool.overcommitted AND saved.in_use > pool.capacity
FROM unnest($1::text[], $2::int[], $3::int[], $4::bigint[]) AS saved (job_id, in_use, waiting, next_ticket)
WHERE pool.job_id = saved.job_id AND (saved.in_use <= pool.capacity OR saved.in_use <= pool.in_use)
RETURNING pool.job_id;

-- name: load_entries
SELECT job_id, object_id, state, ticket, generation, settled, sequence, let_out
FROM license JOIN unnest($1::text[], $2::text[]) AS wanted (job_id, object_id) USING (job_id, object_id);

-- name: load_heads
SELECT head.*
FROM unnest($1::text[], $2::int[]) AS wanted (job_id, places)
CROSS JOIN LATERAL (
    SELECT job_id, object_id, state, ticket, generation, settled, sequence, let_out, change::text AS change, correlation_id, traceparent
    FROM license WHERE license.job_id = wanted.job_id AND state = 'waiting' ORDER BY ticket LIMIT wanted.places
) AS head
ORDER BY head.job_id, head.ticket;

-- name: save_entries
INSERT INTO license (job_id, object_id, state, ticket, generation, settled, sequence, let_out, change, correlation_id, traceparent, changed_at)
SELECT *, $12::timestamptz
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bool[], $9::json[],
            $10::text[], $11::text[])
ON CONFLICT (job_id, object_id) DO UPDATE
SET state = excluded.state, ticket = excluded.ticket, generation = excluded.generation, settled = excluded.settled,
    sequence = excluded.sequence, let_out = excluded.let_out, change = excluded.change,
    correlation_id = excluded.correlation_id, traceparent = excluded.traceparent, changed_at = excluded.changed_at;

-- name: append_history
INSERT INTO license_history (job_id, object_id, ticket, from_state, to_state, reason, at)
SELECT job_id, object_id, ticket, from_state, to_state, reason, $7::timestamptz
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
     AS move (job_id, object_id, ticket, from_state, to_state, reason, position)
ORDER BY position;

-- name: list_pools
SELECT job_id, application_instance, license_type, auto_assign, when_exhausted, capacity, in_use, waiting, next_ticket, closed
FROM pool ORDER BY job_id;
