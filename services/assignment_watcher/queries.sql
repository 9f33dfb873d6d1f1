-- name: open_watch
INSERT INTO watch (job_id, source) VALUES ($1, $2)
ON CONFLICT (job_id) DO UPDATE
SET source = excluded.source, initial_completed = false, initial_started_at = NULL, listing_digest = NULL
WHERE watch.source <> excluded.source
RETURNING xmax = 0 AS made;

-- name: load_watch
SELECT round, initial_completed, initial_started_at, roles::text AS roles, said_attributes::text AS said_attributes, listing_digest, nested_groups, listed_at, listing_seconds,
       reported_at, condition, condition_sequence, reread_at, reread_slice,
       EXISTS (SELECT 1 FROM mirror_assignment a WHERE a.job_id = $1 AND suspect_since IS NOT NULL) AS suspects
FROM watch WHERE job_id = $1;

-- name: lock_watch
SELECT round FROM watch WHERE job_id = $1 FOR UPDATE;

-- name: void_listing
UPDATE watch SET listing_digest = NULL WHERE job_id = $1;

-- name: start_initial
UPDATE watch SET initial_started_at = $3 WHERE job_id = $1 AND round = $2;

-- name: commit_watch
UPDATE watch
SET round = round + 1, initial_completed = initial_completed OR $10, initial_started_at = NULL, roles = $3::jsonb,
    -- Voided since the cycle began: it did not compare its listing with what was added meanwhile, so the next one has to.
    listing_digest = CASE WHEN listing_digest IS NOT DISTINCT FROM $16 THEN $4::bytea END,
    listed_at = coalesce($5, listed_at), listing_seconds = coalesce($6, listing_seconds), listed_rows = coalesce($7, listed_rows), listed_pages = coalesce($14, listed_pages),
    reported_at = coalesce($8, reported_at), condition = NULL, condition_sequence = $9, nested_groups = $11, drift_total = drift_total + $12,
    reread_at = coalesce(reread_at, $13), said_attributes = $15::jsonb
WHERE job_id = $1 AND round = $2;

-- name: fail_watch
UPDATE watch
SET round = round + 1, initial_started_at = NULL, reported_at = coalesce($3, reported_at), condition = $4, condition_sequence = $5
WHERE job_id = $1 AND round = $2;

-- name: open_stream
INSERT INTO stream (job_id, stream, query) VALUES ($1, $2, $3)
ON CONFLICT (job_id, stream) DO UPDATE
SET query = excluded.query, link = NULL, issued_at = NULL, shadow_attempt = NULL,
    resync_reason = CASE WHEN stream.query <> excluded.query THEN 'the attributes to be read, or what is read, changed' ELSE $5 END
WHERE stream.query <> excluded.query OR $4::boolean;

-- name: load_streams
SELECT stream, query, generation, link, issued_at, rounds, pages, records, last_round_at, resynced_at, resync_reason, shadow_attempt,
       shadow_started_at, shadow_next, shadow_link, shadow_issued_at, shadow_pages, shadow_records, shadow_rows::text AS shadow_rows
FROM stream WHERE job_id = $1;

-- name: begin_shadow
UPDATE stream
SET shadow_attempt = $3, shadow_started_at = $4, shadow_next = NULL, shadow_link = NULL, shadow_issued_at = NULL, shadow_pages = 0,
    shadow_records = 0, shadow_rows = '{}', resync_reason = $5, resynced_at = CASE WHEN $6::boolean THEN $4 ELSE resynced_at END
WHERE job_id = $1 AND stream = $2 AND shadow_attempt IS NOT DISTINCT FROM $7
RETURNING 1;

-- name: advance_shadow
UPDATE stream
SET shadow_next = $4, shadow_link = $5, shadow_issued_at = $6, shadow_pages = shadow_pages + 1, shadow_records = shadow_records + $7,
    shadow_rows = $8::jsonb
WHERE job_id = $1 AND stream = $2 AND shadow_attempt = $3
RETURNING 1;

-- name: commit_round
UPDATE stream
SET link = $3, issued_at = $4, rounds = rounds + 1, pages = $5, records = $6, last_round_at = $7
WHERE job_id = $1 AND stream = $2;

-- name: commit_shadow
UPDATE stream
SET link = shadow_link, issued_at = shadow_issued_at, generation = generation + 1, rounds = 0, pages = shadow_pages, records = shadow_records,
    last_round_at = $4, shadow_attempt = NULL, shadow_next = NULL, shadow_link = NULL
WHERE job_id = $1 AND stream = $2 AND shadow_attempt = $3
RETURNING 1;

-- name: confirmable_suspects
SELECT assignment_id FROM mirror_assignment
WHERE job_id = $1 AND suspect_since <= $2 AND NOT frozen ORDER BY suspect_since, assignment_id LIMIT $3;

-- name: absent_suspects
SELECT assignment_id FROM mirror_assignment a
WHERE job_id = $1 AND suspect_since <= $2 AND NOT frozen
  AND NOT EXISTS (SELECT 1 FROM staged_assignment s WHERE s.attempt = $4 AND s.assignment_id = a.assignment_id)
ORDER BY suspect_since, assignment_id LIMIT $3;

-- name: due_rechecks
SELECT kind, object_id, reason, absences,
       CASE kind WHEN 'user' THEN EXISTS (SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = object_id)
                 ELSE EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = object_id) END AS mirrored
FROM recheck r WHERE job_id = $1 AND kind = $2 AND due_at <= $3 ORDER BY reason = 'drift', due_at, object_id LIMIT $4;

-- name: postpone_rechecks
UPDATE recheck
SET tries = tries + 1, due_at = $4::timestamptz + least(interval '1 hour', interval '1 minute' * (2 ^ least(tries, 10)))
WHERE job_id = $1 AND kind = $2 AND object_id = ANY ($3::text[]);

-- name: count_absences
UPDATE recheck SET absences = absences + 1, due_at = $4, reason = CASE WHEN reason = 'drift' THEN 'missing' ELSE reason END
WHERE job_id = $1 AND kind = $2 AND object_id = ANY ($3::text[]);

-- name: queue_rechecks
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT $1, $2, object_id, $4, $5 FROM unnest($3::text[]) object_id
ON CONFLICT (job_id, kind, object_id) DO UPDATE SET due_at = least(recheck.due_at, excluded.due_at);

-- name: requeue_recheck
UPDATE recheck SET due_at = $4, reason = 'confirm', tries = tries + 1 WHERE job_id = $1 AND kind = $2 AND object_id = ANY ($3::text[]);

-- name: settle_rechecks
DELETE FROM recheck WHERE job_id = $1 AND kind = $2 AND object_id = ANY ($3::text[]);

-- name: begin_reread
UPDATE watch SET reread_at = $2, reread_slice = (reread_slice + 1) % $3 WHERE job_id = $1;

-- name: queue_reread_groups
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT DISTINCT $1, 'members', principal_id, 'drift', $2::timestamptz FROM mirror_assignment WHERE job_id = $1 AND principal_type = 'group'
ON CONFLICT DO NOTHING;

-- name: queue_reread_users
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT $1, 'user', object_id, 'drift', $2::timestamptz FROM emitted
WHERE job_id = $1 AND assigned AND object_type = 'user' AND mod(abs(hashtext(object_id)::bigint), $3) = $4
ON CONFLICT DO NOTHING;

-- name: add_hold
INSERT INTO hold (job_id, hold_id, state, reason, detail, active, removals, held_at) VALUES ($1, $2, 'held', $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING;

-- name: hold_removals
INSERT INTO held (job_id, object_id, hold_id) SELECT $1, object_id, $2 FROM removal ON CONFLICT DO NOTHING;

-- name: let_go
DELETE FROM held WHERE job_id = $1 AND object_id = ANY ($2::text[]);

-- name: open_holds
SELECT h.hold_id, h.state, h.reason, h.detail, h.active, h.removals, h.sequence, h.held_at, h.decided_by, h.decision_reason,
       (SELECT count(*) FROM held d WHERE d.job_id = h.job_id AND d.hold_id = h.hold_id) AS remaining
FROM hold h WHERE h.job_id = $1 AND h.state IN ('held', 'rejected', 'approved') ORDER BY h.held_at;

-- name: lock_hold
SELECT hold_id, state, reason, detail, active, removals, sequence, held_at FROM hold WHERE job_id = $1 AND hold_id = $2 FOR UPDATE;

-- name: decide_hold
UPDATE hold SET state = $3, decided_by = $4, decision_reason = $5, sequence = sequence + 1 WHERE job_id = $1 AND hold_id = $2;

-- name: update_hold
UPDATE hold SET state = $3, removals = $4, sequence = sequence + 1 WHERE job_id = $1 AND hold_id = $2;

-- name: touch_approved
INSERT INTO touched
SELECT e.object_type, d.object_id FROM held d JOIN hold h ON h.job_id = d.job_id AND h.hold_id = d.hold_id
JOIN emitted e ON e.job_id = d.job_id AND e.object_id = d.object_id
WHERE d.job_id = $1 AND h.state = 'approved' ON CONFLICT DO NOTHING;

-- name: count_effective
SELECT count(*) FROM emitted WHERE job_id = $1 AND effective;

-- name: next_state_sequence
UPDATE watch SET state_sequence = state_sequence + 1 WHERE job_id = $1 RETURNING state_sequence;

-- name: measure_source
SELECT said.assigned, said.assigned_groups,
       (SELECT count(*) FROM mirror_assignment WHERE job_id = $1 AND suspect_since IS NOT NULL)
       + (SELECT count(*) FROM mirror_member WHERE job_id = $1 AND suspect_since IS NOT NULL) AS suspects,
       (SELECT count(*) FROM held WHERE job_id = $1) AS held,
       (SELECT count(*) FROM recheck WHERE job_id = $1 AND reason = 'unknown') AS unknown,
       (SELECT count(*) FROM mirror_assignment WHERE job_id = $1 AND principal_type = 'servicePrincipal') AS service_principals,
       (SELECT count(*) FROM mirror_assignment a JOIN mirror_group g ON g.job_id = $1 AND g.group_id = a.principal_id
        WHERE a.job_id = $1 AND a.principal_type = 'group' AND NOT g.security_enabled) AS not_security_enabled,
       (SELECT count(*) FROM mirror_member m JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'group'
        AND a.principal_id = m.group_id WHERE m.job_id = $1 AND m.nested) AS nested_groups,
       w.drift_total, w.initial_completed, w.round, w.listed_at, w.listed_rows, w.listed_pages
FROM watch w, (SELECT count(*) FILTER (WHERE object_type = 'user') AS assigned, count(*) FILTER (WHERE object_type = 'group') AS assigned_groups
               FROM emitted WHERE job_id = $1 AND effective) said
WHERE w.job_id = $1;

-- name: groups_in_doubt
SELECT DISTINCT group_id FROM mirror_member WHERE job_id = $1 AND group_id = ANY ($2::text[]) AND suspect_since IS NOT NULL;

-- name: anybody_touched
SELECT EXISTS (SELECT 1 FROM touched);

-- name: expects_assignments
SELECT EXISTS (
    SELECT 1 FROM mirror_assignment a WHERE a.job_id = $1 AND NOT a.frozen
      AND NOT EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = a.principal_id AND g.lifecycle <> 'live')
      AND NOT EXISTS (SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = a.principal_id AND u.lifecycle <> 'live'));
