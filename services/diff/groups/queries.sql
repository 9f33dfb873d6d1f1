-- name: lock_groups
SELECT * FROM group_object
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY job_id, object_id FOR UPDATE;

-- name: lock_groups_of_job
SELECT * FROM group_object WHERE job_id = $1 ORDER BY object_id FOR UPDATE;

-- name: lock_due
SELECT group_object.* FROM group_object JOIN job USING (job_id)
WHERE next_attempt_at <= $1 AND NOT in_flight AND NOT job.deleted AND job.record ->> 'schedule' = 'Active'
ORDER BY next_attempt_at LIMIT $2 FOR UPDATE OF group_object SKIP LOCKED;

-- name: lock_members_due
SELECT group_object.* FROM group_object JOIN job USING (job_id)
WHERE members_at <= $1 AND NOT in_flight AND NOT job.deleted
ORDER BY members_at LIMIT $2 FOR UPDATE OF group_object SKIP LOCKED;

-- name: lock_members_left
SELECT * FROM group_object WHERE members_left ORDER BY job_id, object_id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: lock_staged
SELECT * FROM group_object WHERE job_id = $1 AND staged_in = $2 ORDER BY object_id LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: next_due
SELECT least(
    (
        SELECT next_attempt_at FROM group_object JOIN job USING (job_id)
        WHERE next_attempt_at IS NOT NULL AND NOT in_flight AND NOT job.deleted
            AND job.record ->> 'schedule' = 'Active'
        ORDER BY next_attempt_at LIMIT 1
    ),
    (
        SELECT members_at FROM group_object JOIN job USING (job_id)
        WHERE members_at IS NOT NULL AND NOT in_flight AND NOT job.deleted
        ORDER BY members_at LIMIT 1
    )
);

-- name: owners_of_targets
SELECT job_id, target_id, object_id FROM group_object
WHERE (job_id, target_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND target_id IS NOT NULL;

-- name: note_values
INSERT INTO group_name (job_id, digest, object_id)
SELECT DISTINCT ON (job_id, digest) job_id, digest, object_id
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS new (job_id, digest, object_id, place)
ORDER BY job_id, digest, place
ON CONFLICT (job_id, digest) DO NOTHING;

-- name: owners_of_values
SELECT job_id, digest, object_id FROM group_name
WHERE (job_id, digest) IN (SELECT * FROM unnest($1::text[], $2::text[]));

-- name: forget_values
DELETE FROM group_name
WHERE (job_id, object_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND (job_id, digest) NOT IN (SELECT * FROM unnest($3::text[], $4::text[]));

-- name: save_groups
INSERT INTO group_object (
    job_id, object_id, assignment, correlation_id, traceparent, sent_generation, sent_operation, desired, in_flight,
    target_id, confirmed, link_number, doubtful, entered, status, reason_code, reasons, attempts, next_attempt_at,
    failing_since, escrows, staged_in, released, members_at, member_attempts, members_left, event_sequence
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::json[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::json[], $9::bool[],
    $10::text[], $11::json[], $12::bigint[], $13::bool[], $14::bool[], $15::text[], $16::text[], $17::json[],
    $18::int[], $19::timestamptz[], $20::timestamptz[], $21::int[], $22::text[], $23::bool[], $24::timestamptz[],
    $25::int[], $26::bool[], $27::bigint[]
)
ON CONFLICT (job_id, object_id) DO UPDATE SET
    assignment = excluded.assignment, correlation_id = excluded.correlation_id, traceparent = excluded.traceparent,
    sent_generation = excluded.sent_generation, sent_operation = excluded.sent_operation, desired = excluded.desired,
    in_flight = excluded.in_flight, target_id = excluded.target_id, confirmed = excluded.confirmed,
    link_number = excluded.link_number, doubtful = excluded.doubtful, entered = excluded.entered,
    status = excluded.status, reason_code = excluded.reason_code, reasons = excluded.reasons,
    attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, failing_since = excluded.failing_since,
    escrows = excluded.escrows, staged_in = excluded.staged_in, released = excluded.released,
    members_at = excluded.members_at,
    member_attempts = excluded.member_attempts, members_left = excluded.members_left,
    event_sequence = excluded.event_sequence, changed_at = now();

-- name: lock_memberships_of_users
SELECT * FROM membership
WHERE (job_id, user_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
ORDER BY job_id, group_id, user_id FOR UPDATE;

-- name: lock_memberships_sent
SELECT * FROM membership WHERE job_id = $1 AND group_id = $2 AND sent_generation = $3 ORDER BY user_id FOR UPDATE;

-- name: lock_memberships_needed
SELECT * FROM membership
WHERE job_id = $1 AND group_id = $2 AND need = $3 AND not_before <= $4
ORDER BY not_before LIMIT $5 FOR UPDATE SKIP LOCKED;

-- name: lock_memberships_of_older_links
SELECT * FROM membership
WHERE job_id = $1 AND group_id = $2 AND held IS NOT NULL AND held_link < $3
ORDER BY held_link LIMIT $4 FOR UPDATE;

-- name: next_need
SELECT least(
    (
        SELECT not_before FROM membership WHERE job_id = $1 AND group_id = $2 AND need = 'add'
        ORDER BY not_before LIMIT 1
    ),
    (
        SELECT not_before FROM membership WHERE job_id = $1 AND group_id = $2 AND need = 'remove'
        ORDER BY not_before LIMIT 1
    )
);

-- name: save_memberships
INSERT INTO membership (
    job_id, group_id, user_id, wanted, target_id, held, held_link, certain, need, sent_generation, attempts, not_before
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::bigint[], $8::bool[], $9::text[],
    $10::bigint[], $11::int[], $12::timestamptz[]
)
ON CONFLICT (job_id, group_id, user_id) DO UPDATE SET
    wanted = excluded.wanted, target_id = excluded.target_id, held = excluded.held, held_link = excluded.held_link,
    certain = excluded.certain, need = excluded.need, sent_generation = excluded.sent_generation,
    attempts = excluded.attempts, not_before = excluded.not_before;

-- name: forget_memberships
DELETE FROM membership
WHERE (job_id, group_id, user_id) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]));

-- name: note_members_changed
INSERT INTO members_changed (job_id, group_id) SELECT * FROM unnest($1::text[], $2::text[]);

-- name: take_members_changed
DELETE FROM members_changed
WHERE number IN (SELECT number FROM members_changed ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING job_id, group_id;
