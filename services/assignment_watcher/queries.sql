-- name: open_watch
INSERT INTO watch (job_id, source, groups_query, users_query) VALUES ($1, $2, $3, $4)
ON CONFLICT (job_id) DO UPDATE
SET source = excluded.source, groups_query = excluded.groups_query, users_query = excluded.users_query,
    initial_completed = watch.initial_completed AND watch.source = excluded.source,
    initial_started_at = CASE WHEN watch.source = excluded.source THEN watch.initial_started_at END,
    listing_digest = CASE WHEN watch.source = excluded.source THEN watch.listing_digest END,
    groups_link = CASE WHEN (watch.source, watch.groups_query) IS NOT DISTINCT FROM (excluded.source, excluded.groups_query)
                  THEN watch.groups_link END,
    users_link = CASE WHEN (watch.source, watch.users_query) IS NOT DISTINCT FROM (excluded.source, excluded.users_query)
                 THEN watch.users_link END
WHERE (watch.source, watch.groups_query, watch.users_query)
      IS DISTINCT FROM (excluded.source, excluded.groups_query, excluded.users_query);

-- name: load_watch
SELECT round, initial_completed, initial_started_at, roles::text AS roles, listing_digest, groups_link, users_link, reported_at,
       condition, condition_sequence,
       (SELECT min(suspect_since) FROM mirror_assignment a WHERE a.job_id = $1 AND suspect_since IS NOT NULL) AS oldest_suspicion
FROM watch WHERE job_id = $1;

-- name: lock_watch
SELECT round, groups_link, users_link FROM watch WHERE job_id = $1 FOR UPDATE;

-- name: start_initial
UPDATE watch SET initial_started_at = $3 WHERE job_id = $1 AND round = $2;

-- name: commit_watch
UPDATE watch
SET round = round + 1, initial_completed = true, initial_started_at = NULL, roles = $3::jsonb, listing_digest = $4,
    groups_link = $5, groups_issued_at = $7, users_link = $6, users_issued_at = $7,
    reported_at = coalesce($8, reported_at), condition = NULL, condition_sequence = $9
WHERE job_id = $1 AND round = $2;

-- name: fail_watch
UPDATE watch
SET round = round + 1, initial_started_at = NULL, reported_at = coalesce($3, reported_at), condition = $4, condition_sequence = $5
WHERE job_id = $1 AND round = $2;

-- name: due_users
SELECT u.user_id, m.user_id IS NOT NULL AS mirrored
FROM unresolved u LEFT JOIN mirror_user m ON m.job_id = u.job_id AND m.user_id = u.user_id
WHERE u.job_id = $1 AND u.due_at <= $2 ORDER BY u.due_at, u.user_id LIMIT $3;

-- name: postpone_users
UPDATE unresolved u
SET tries = tries + 1, due_at = $3::timestamptz + least(interval '1 hour', interval '1 minute' * (2 ^ least(tries, 10)))
WHERE job_id = $1 AND user_id = ANY ($2::text[]);

-- name: doubt_users
INSERT INTO unresolved (job_id, user_id, due_at) SELECT $1, user_id, $3 FROM unnest($2::text[]) user_id ON CONFLICT DO NOTHING;

-- name: doubt_missing_users
INSERT INTO unresolved (job_id, user_id, due_at)
SELECT m.job_id, m.user_id, $3
FROM mirror_user m JOIN emitted e ON e.job_id = m.job_id AND e.object_id = m.user_id
WHERE m.job_id = $1 AND m.lifecycle = 'live'
  AND NOT EXISTS (SELECT 1 FROM staged_user s WHERE s.attempt = $2 AND s.user_id = m.user_id)
ON CONFLICT DO NOTHING;

-- name: clear_assignments
DELETE FROM staged_assignment WHERE job_id = $1;

-- name: clear_groups
DELETE FROM staged_group WHERE job_id = $1;

-- name: clear_members
DELETE FROM staged_member WHERE job_id = $1;

-- name: clear_users
DELETE FROM staged_user WHERE job_id = $1;

-- name: stage_assignments
INSERT INTO staged_assignment (job_id, attempt, assignment_id, principal_type, principal_id, role_id, assigned_at)
SELECT $1, $2, a, t, p, r, c::timestamptz
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS row (a, t, p, r, c)
ON CONFLICT DO NOTHING;

-- name: stage_groups
INSERT INTO staged_group (job_id, attempt, group_id, removed, record)
SELECT $1, $2, lower(r ->> 'id'), r -> '@removed' ->> 'reason',
       CASE WHEN r ? 'members@delta' THEN jsonb_set(r, '{members@delta}', 'true') ELSE r END
FROM jsonb_array_elements($3::jsonb -> 'value') WITH ORDINALITY AS row (r, n)
WHERE r ? 'id' ORDER BY n;

-- name: stage_members
INSERT INTO staged_member (job_id, attempt, group_id, user_id, removed)
SELECT $1, $2, lower(r ->> 'id'), lower(m ->> 'id'), m ? '@removed'
FROM jsonb_array_elements($3::jsonb -> 'value') WITH ORDINALITY AS row (r, n),
     jsonb_array_elements(r -> 'members@delta') WITH ORDINALITY AS member (m, k)
WHERE r ? 'id' AND m ? 'id' AND lower(m ->> '@odata.type') = '#microsoft.graph.user' ORDER BY n, k;

-- name: stage_users
INSERT INTO staged_user (job_id, attempt, user_id, removed, record)
SELECT $1, $2, lower(r ->> 'id'), r -> '@removed' ->> 'reason', r - '{@removed,@odata.type}'::text[]
FROM jsonb_array_elements($3::jsonb -> 'value') WITH ORDINALITY AS row (r, n)
WHERE r ? 'id' ORDER BY n;

-- name: count_staged
SELECT (SELECT count(*) FROM staged_assignment WHERE attempt = $1) AS assignments,
       (SELECT count(*) FROM staged_group WHERE attempt = $1) AS groups,
       (SELECT count(*) FROM staged_member WHERE attempt = $1) AS members,
       (SELECT count(*) FROM staged_user WHERE attempt = $1) AS users;

-- name: create_touched
CREATE TEMP TABLE IF NOT EXISTS touched (kind text, object_id text, PRIMARY KEY (kind, object_id)) ON COMMIT DELETE ROWS;

-- name: trust_listed_again
UPDATE mirror_assignment a SET suspect_since = NULL
FROM staged_assignment s
WHERE s.attempt = $2 AND a.job_id = $1 AND a.assignment_id = s.assignment_id AND a.suspect_since IS NOT NULL;

-- name: add_assignments
WITH added AS (
    INSERT INTO mirror_assignment (job_id, assignment_id, principal_type, principal_id, role_id, assigned_at)
    SELECT $1, assignment_id, principal_type, principal_id, role_id, coalesce(assigned_at, $3) FROM staged_assignment WHERE attempt = $2
    ON CONFLICT DO NOTHING RETURNING principal_type, principal_id
)
INSERT INTO touched SELECT principal_type, principal_id FROM added ON CONFLICT DO NOTHING;

-- name: suspect_absent
UPDATE mirror_assignment a SET suspect_since = $3
WHERE a.job_id = $1 AND a.suspect_since IS NULL AND NOT a.frozen
  AND NOT EXISTS (SELECT 1 FROM staged_assignment s WHERE s.attempt = $2 AND s.assignment_id = a.assignment_id);

-- name: drop_absent_members
WITH listed AS (
    SELECT DISTINCT group_id FROM staged_group WHERE attempt = $2 AND record ? 'members@delta'
), gone AS (
    DELETE FROM mirror_member m USING listed l
    WHERE m.job_id = $1 AND m.group_id = l.group_id
      AND NOT EXISTS (SELECT 1 FROM staged_member s WHERE s.attempt = $2 AND s.group_id = m.group_id AND s.user_id = m.user_id)
    RETURNING m.user_id
)
INSERT INTO touched SELECT DISTINCT 'user', user_id FROM gone ON CONFLICT DO NOTHING;

-- name: unsaid_members
SELECT group_id FROM staged_group s WHERE attempt = $2
GROUP BY group_id
HAVING NOT bool_or(record ? 'members@delta') AND (array_agg(removed ORDER BY position DESC))[1] IS NULL
   AND EXISTS (SELECT 1 FROM mirror_member m WHERE m.job_id = $1 AND m.group_id = s.group_id)
ORDER BY group_id;

-- name: apply_members
WITH last AS MATERIALIZED (
    SELECT DISTINCT ON (group_id, user_id) group_id, user_id, removed
    FROM staged_member WHERE attempt = $2 ORDER BY group_id, user_id, position DESC
), gone AS (
    DELETE FROM mirror_member m USING last l
    WHERE l.removed AND m.job_id = $1 AND m.group_id = l.group_id AND m.user_id = l.user_id
    RETURNING m.group_id, m.user_id
), come AS (
    INSERT INTO mirror_member (job_id, group_id, user_id) SELECT $1, group_id, user_id FROM last WHERE NOT removed
    ON CONFLICT DO NOTHING RETURNING group_id, user_id
), assigned AS MATERIALIZED (
    SELECT DISTINCT principal_id FROM mirror_assignment WHERE job_id = $1 AND principal_type = 'group'
)
INSERT INTO touched
SELECT DISTINCT 'user', user_id FROM (SELECT * FROM gone UNION ALL SELECT * FROM come) changed
WHERE group_id IN (SELECT principal_id FROM assigned) ON CONFLICT DO NOTHING;

-- name: apply_groups
WITH folded AS (
    SELECT group_id, merged(record ORDER BY position) ->> 'displayName' AS display_name,
           (array_agg(removed ORDER BY position DESC))[1] AS removed
    FROM staged_group WHERE attempt = $2 GROUP BY group_id
), applied AS (
    INSERT INTO mirror_group AS m (job_id, group_id, lifecycle, display_name)
    SELECT $1, group_id, CASE WHEN removed IS NULL THEN 'live' WHEN removed = 'changed' THEN 'softDeleted' ELSE 'hardDeleted' END,
           display_name
    FROM folded
    ON CONFLICT (job_id, group_id) DO UPDATE
    SET lifecycle = excluded.lifecycle, display_name = coalesce(excluded.display_name, m.display_name)
    WHERE m.lifecycle <> excluded.lifecycle OR m.display_name IS DISTINCT FROM coalesce(excluded.display_name, m.display_name)
    RETURNING m.group_id
)
INSERT INTO touched SELECT 'group', group_id FROM applied
WHERE EXISTS (SELECT 1 FROM mirror_assignment a
              WHERE a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = applied.group_id)
ON CONFLICT DO NOTHING;

-- name: apply_users
WITH folded AS (
    SELECT user_id, merged(record ORDER BY position) AS attributes, (array_agg(removed ORDER BY position DESC))[1] AS removed
    FROM staged_user WHERE attempt = $2 GROUP BY user_id
), applied AS (
    INSERT INTO mirror_user AS m (job_id, user_id, lifecycle, attributes)
    SELECT $1, user_id, CASE WHEN removed IS NULL THEN 'live' WHEN removed = 'changed' THEN 'softDeleted' ELSE 'hardDeleted' END,
           attributes
    FROM folded
    ON CONFLICT (job_id, user_id) DO UPDATE
    SET lifecycle = excluded.lifecycle, attributes = m.attributes || excluded.attributes
    WHERE m.lifecycle <> excluded.lifecycle OR m.attributes <> m.attributes || excluded.attributes
    RETURNING m.user_id
)
INSERT INTO touched SELECT 'user', user_id FROM applied ON CONFLICT DO NOTHING;

-- name: forget_resolved
DELETE FROM unresolved u USING staged_user s WHERE u.job_id = $1 AND s.attempt = $2 AND s.user_id = u.user_id;

-- name: refreeze_assignments
UPDATE mirror_assignment a
SET frozen = now.soft, suspect_since = CASE WHEN now.soft THEN NULL ELSE a.suspect_since END
FROM (
    SELECT 'user' AS kind, u.user_id AS object_id, u.lifecycle = 'softDeleted' AS soft
    FROM touched t JOIN mirror_user u ON u.job_id = $1 AND u.user_id = t.object_id WHERE t.kind = 'user'
    UNION ALL
    SELECT 'group', g.group_id, g.lifecycle = 'softDeleted'
    FROM touched t JOIN mirror_group g ON g.job_id = $1 AND g.group_id = t.object_id WHERE t.kind = 'group'
) now
WHERE a.job_id = $1 AND a.principal_type = now.kind AND a.principal_id = now.object_id AND a.frozen <> now.soft
RETURNING a.frozen;

-- name: drop_assignments
WITH gone AS (
    DELETE FROM mirror_assignment a
    WHERE a.job_id = $1 AND a.suspect_since <= $2 AND (NOT $3 OR a.suspect_since < $4)
    RETURNING principal_type, principal_id
), purged AS (
    DELETE FROM mirror_assignment a USING touched t
    WHERE a.job_id = $1 AND a.principal_type = t.kind AND a.principal_id = t.object_id
      AND (EXISTS (SELECT 1 FROM mirror_user u WHERE t.kind = 'user' AND u.job_id = $1 AND u.user_id = t.object_id
                   AND u.lifecycle = 'hardDeleted')
        OR EXISTS (SELECT 1 FROM mirror_group g WHERE t.kind = 'group' AND g.job_id = $1 AND g.group_id = t.object_id
                   AND g.lifecycle = 'hardDeleted'))
)
INSERT INTO touched SELECT principal_type, principal_id FROM gone ON CONFLICT DO NOTHING;

-- name: touch_members
INSERT INTO touched
SELECT DISTINCT 'user', m.user_id FROM touched t JOIN mirror_member m ON m.job_id = $1 AND m.group_id = t.object_id
WHERE t.kind = 'group' ON CONFLICT DO NOTHING;

-- name: drop_dead_members
DELETE FROM mirror_member m USING touched t
WHERE m.job_id = $1
  AND ((t.kind = 'user' AND m.user_id = t.object_id AND EXISTS (
            SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = t.object_id AND u.lifecycle = 'hardDeleted'))
    OR (t.kind = 'group' AND m.group_id = t.object_id AND EXISTS (
            SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = t.object_id AND g.lifecycle = 'hardDeleted')));

-- name: touch_assigned
INSERT INTO touched SELECT 'user', object_id FROM emitted WHERE job_id = $1 AND assigned ON CONFLICT DO NOTHING;

-- name: derive_touched
WITH path AS (
    SELECT t.object_id, a.assignment_id, a.role_id, NULL::text AS group_id, a.assigned_at
    FROM touched t
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'user' AND a.principal_id = t.object_id
    WHERE t.kind = 'user'
    UNION ALL
    SELECT t.object_id, a.assignment_id, a.role_id, m.group_id, a.assigned_at
    FROM touched t
    JOIN mirror_member m ON m.job_id = $1 AND m.user_id = t.object_id
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = m.group_id
    JOIN mirror_group g ON g.job_id = $1 AND g.group_id = m.group_id AND g.lifecycle = 'live'
    WHERE t.kind = 'user'
), folded AS (
    SELECT object_id, min(assigned_at) AS assigned_at, array_agg(assigned_at) AS times, array_agg(assignment_id) AS assignments,
           array_agg(group_id) AS groups, array_agg(role_id) AS roles
    FROM path GROUP BY object_id
)
SELECT t.object_id, u.lifecycle, u.attributes::text AS attributes, f.times, f.assignments, f.groups, f.roles,
       e.version, e.digest, e.assigned_at
FROM touched t
LEFT JOIN folded f ON f.object_id = t.object_id
LEFT JOIN mirror_user u ON u.job_id = $1 AND u.user_id = t.object_id
LEFT JOIN emitted e ON e.job_id = $1 AND e.object_id = t.object_id
WHERE t.kind = 'user' AND (f.object_id IS NOT NULL OR e.object_id IS NOT NULL)
ORDER BY f.assigned_at NULLS LAST, t.object_id;

-- name: save_emitted
INSERT INTO emitted (job_id, object_id, version, digest, assigned, assigned_at)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bytea[], $5::bool[], $6::timestamptz[])
ON CONFLICT (job_id, object_id) DO UPDATE
SET version = excluded.version, digest = excluded.digest, assigned = excluded.assigned, assigned_at = excluded.assigned_at;
