-- name: clear_assignments
DELETE FROM staged_assignment WHERE job_id = $1 AND attempt <> ALL ($2::uuid[]);

-- name: clear_groups
DELETE FROM staged_group WHERE job_id = $1 AND attempt <> ALL ($2::uuid[]);

-- name: clear_members
DELETE FROM staged_member WHERE job_id = $1 AND attempt <> ALL ($2::uuid[]);

-- name: clear_users
DELETE FROM staged_user WHERE job_id = $1 AND attempt <> ALL ($2::uuid[]);

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
WHERE jsonb_typeof(r -> 'id') = 'string' ORDER BY n;

-- name: stage_members
INSERT INTO staged_member (job_id, attempt, group_id, user_id, removed, nested)
SELECT $1, $2, lower(r ->> 'id'), lower(m ->> 'id'), m ? '@removed', lower(m ->> '@odata.type') = '#microsoft.graph.group'
FROM jsonb_array_elements($3::jsonb -> 'value') WITH ORDINALITY AS row (r, n),
     jsonb_array_elements(CASE jsonb_typeof(r -> 'members@delta') WHEN 'array' THEN r -> 'members@delta' ELSE '[]' END)
     WITH ORDINALITY AS member (m, k)
WHERE jsonb_typeof(r -> 'id') = 'string' AND jsonb_typeof(m -> 'id') = 'string'
  AND lower(m ->> '@odata.type') IN ('#microsoft.graph.user', '#microsoft.graph.group') ORDER BY n, k;

-- name: stage_users
INSERT INTO staged_user (job_id, attempt, user_id, removed, record)
SELECT $1, $2, lower(r ->> 'id'), r -> '@removed' ->> 'reason',
       CASE WHEN r ? 'manager@delta' THEN (r - '{@removed,@odata.type,manager@delta}'::text[]) || manager_of(r -> 'manager@delta')
            ELSE r - '{@removed,@odata.type}'::text[] END
FROM jsonb_array_elements($3::jsonb -> 'value') WITH ORDINALITY AS row (r, n)
WHERE jsonb_typeof(r -> 'id') = 'string' ORDER BY n;

-- name: count_staged
SELECT (SELECT count(*) FROM staged_assignment WHERE attempt = $1) AS assignments,
       (SELECT count(*) FROM staged_group WHERE attempt = $1) AS groups,
       (SELECT count(*) FROM staged_member WHERE attempt = $1) AS members,
       (SELECT count(*) FROM staged_user WHERE attempt = $1) AS users;

-- name: create_touched
CREATE TEMP TABLE IF NOT EXISTS touched (kind text, object_id text, PRIMARY KEY (kind, object_id)) ON COMMIT DELETE ROWS;

-- name: create_removal
CREATE TEMP TABLE IF NOT EXISTS removal (object_id text PRIMARY KEY) ON COMMIT DELETE ROWS;

-- name: trust_listed_again
UPDATE mirror_assignment a SET suspect_since = NULL
FROM staged_assignment s
WHERE s.attempt = $2 AND a.job_id = $1 AND a.assignment_id = s.assignment_id AND a.suspect_since IS NOT NULL;

-- name: add_assignments
WITH added AS (
    INSERT INTO mirror_assignment (job_id, assignment_id, principal_type, principal_id, role_id, assigned_at)
    SELECT $1, assignment_id, principal_type, principal_id, role_id, coalesce(assigned_at, $3) FROM staged_assignment WHERE attempt = $2
    ON CONFLICT DO NOTHING RETURNING principal_type, principal_id
), touching AS (
    INSERT INTO touched SELECT principal_type, principal_id FROM added ON CONFLICT DO NOTHING
)
SELECT count(*) AS added FROM added;

-- name: suspect_absent
UPDATE mirror_assignment a SET suspect_since = $3
WHERE a.job_id = $1 AND a.suspect_since IS NULL AND NOT a.frozen
  AND NOT EXISTS (SELECT 1 FROM staged_assignment s WHERE s.attempt = $2 AND s.assignment_id = a.assignment_id);

-- name: doubt_again
UPDATE mirror_assignment SET suspect_since = $3 WHERE job_id = $1 AND assignment_id = ANY ($2::text[]) AND suspect_since IS NOT NULL;

-- name: drop_assignments
WITH gone AS (
    DELETE FROM mirror_assignment
    WHERE job_id = $1 AND assignment_id = ANY ($2::text[]) AND suspect_since IS NOT NULL AND NOT frozen
    RETURNING principal_type, principal_id
)
INSERT INTO touched SELECT principal_type, principal_id FROM gone ON CONFLICT DO NOTHING;

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

-- name: apply_members
WITH last AS MATERIALIZED (
    SELECT group_id, user_id, bool_or(nested) AS nested, (array_agg(removed ORDER BY position DESC))[1] AS removed,
           bool_or(removed) AND NOT bool_and(removed) AS flapped
    FROM staged_member WHERE attempt = $2 GROUP BY group_id, user_id
), gone AS (
    DELETE FROM mirror_member m USING last l
    WHERE l.removed AND NOT l.flapped AND m.job_id = $1 AND m.group_id = l.group_id AND m.user_id = l.user_id
    RETURNING m.group_id, m.user_id, m.nested
), doubted AS (
    UPDATE mirror_member m SET suspect_since = coalesce(m.suspect_since, $3) FROM last l
    WHERE l.removed AND l.flapped AND m.job_id = $1 AND m.group_id = l.group_id AND m.user_id = l.user_id
    RETURNING m.group_id
), queued AS (
    INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
    SELECT DISTINCT $1, 'members', group_id, 'flapped', $4::timestamptz FROM doubted
    ON CONFLICT (job_id, kind, object_id) DO UPDATE SET due_at = least(recheck.due_at, excluded.due_at)
), come AS (
    INSERT INTO mirror_member AS m (job_id, group_id, user_id, nested)
    SELECT $1, group_id, user_id, nested FROM last WHERE NOT removed
    ON CONFLICT (job_id, group_id, user_id) DO UPDATE SET suspect_since = NULL WHERE m.suspect_since IS NOT NULL
    RETURNING m.group_id, m.user_id, m.nested
), assigned AS MATERIALIZED (
    SELECT principal_id FROM mirror_assignment WHERE job_id = $1 AND principal_type = 'group'
    UNION SELECT object_id FROM touched WHERE kind = 'group' -- its assignment ended just now
)
INSERT INTO touched
SELECT DISTINCT CASE WHEN nested THEN 'group' ELSE 'user' END, user_id
FROM (SELECT * FROM gone UNION ALL SELECT * FROM come) changed
WHERE CASE WHEN $5::boolean THEN true ELSE NOT nested AND group_id IN (SELECT principal_id FROM assigned) END
ON CONFLICT DO NOTHING;

-- name: trust_deleted_members
-- A soft-deleted member keeps its memberships, and neither a listing nor an answer about itself shows them: their absence says nothing.
UPDATE mirror_member m SET suspect_since = NULL
WHERE m.job_id = $1 AND m.suspect_since IS NOT NULL
  AND (EXISTS (SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = m.user_id AND u.lifecycle = 'softDeleted')
       OR EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = m.user_id AND g.lifecycle = 'softDeleted'));

-- name: add_shadow_members
INSERT INTO mirror_member AS m (job_id, group_id, user_id, nested)
SELECT $1, group_id, user_id, nested
FROM (SELECT DISTINCT ON (group_id, user_id) group_id, user_id, nested, removed
      FROM staged_member WHERE attempt = $2 ORDER BY group_id, user_id, position DESC) last
WHERE NOT removed
ON CONFLICT (job_id, group_id, user_id) DO UPDATE SET suspect_since = NULL WHERE m.suspect_since IS NOT NULL;

-- name: suspect_absent_members
WITH listed AS (
    SELECT DISTINCT group_id FROM staged_group WHERE attempt = $2
), present AS (
    SELECT group_id, user_id FROM (
        SELECT DISTINCT ON (group_id, user_id) group_id, user_id, removed
        FROM staged_member WHERE attempt = $2 ORDER BY group_id, user_id, position DESC) last
    WHERE NOT removed
), doubted AS (
    UPDATE mirror_member m SET suspect_since = coalesce(m.suspect_since, $3) FROM listed l
    WHERE m.job_id = $1 AND m.group_id = l.group_id
      AND NOT EXISTS (SELECT 1 FROM present p WHERE p.group_id = m.group_id AND p.user_id = m.user_id)
      AND NOT EXISTS (SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = m.user_id AND u.lifecycle = 'softDeleted')
      AND NOT EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = m.user_id AND g.lifecycle = 'softDeleted')
    RETURNING m.group_id
)
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT DISTINCT $1, 'members', group_id, 'doubted', $4::timestamptz FROM doubted
ON CONFLICT (job_id, kind, object_id) DO NOTHING;

-- name: apply_listed_members
WITH listed AS MATERIALIZED (
    SELECT group_id, user_id, bool_or(nested) AS nested FROM staged_member WHERE attempt = $2 GROUP BY group_id, user_id
), come AS (
    INSERT INTO mirror_member AS m (job_id, group_id, user_id, nested) SELECT $1, group_id, user_id, nested FROM listed
    ON CONFLICT (job_id, group_id, user_id) DO UPDATE SET suspect_since = NULL WHERE m.suspect_since IS NOT NULL
    RETURNING m.group_id, m.user_id, m.nested, xmax = 0 AS added
), gone AS (
    DELETE FROM mirror_member m
    WHERE m.job_id = $1 AND m.suspect_since <= $4
      AND (m.group_id, m.user_id) IN (SELECT * FROM unnest($6::text[], $7::text[]))
      AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.group_id = m.group_id AND l.user_id = m.user_id)
    RETURNING m.group_id, m.user_id, m.nested
), doubted AS (
    UPDATE mirror_member m SET suspect_since = $5
    WHERE m.job_id = $1 AND m.group_id = ANY ($3::text[]) AND m.suspect_since IS NULL
      AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.group_id = m.group_id AND l.user_id = m.user_id)
      AND NOT EXISTS (SELECT 1 FROM mirror_user u WHERE u.job_id = $1 AND u.user_id = m.user_id AND u.lifecycle = 'softDeleted')
      AND NOT EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = m.user_id AND g.lifecycle = 'softDeleted')
    RETURNING m.group_id
), touching AS (
    INSERT INTO touched
    SELECT DISTINCT CASE WHEN nested THEN 'group' ELSE 'user' END, user_id
    FROM (SELECT user_id, nested FROM gone UNION ALL SELECT user_id, nested FROM come) changed
    ON CONFLICT DO NOTHING
)
SELECT group_id,
       (SELECT count(*) FROM come c WHERE c.group_id = asked.group_id AND c.added) AS added,
       (SELECT count(*) FROM come c WHERE c.group_id = asked.group_id AND NOT c.added) AS trusted,
       (SELECT count(*) FROM gone g WHERE g.group_id = asked.group_id) AS gone,
       (SELECT count(*) FROM doubted d WHERE d.group_id = asked.group_id) AS doubted
FROM unnest($3::text[]) AS asked (group_id);

-- name: absent_members
SELECT user_id, nested FROM mirror_member m
WHERE m.job_id = $1 AND m.group_id = $2 AND m.suspect_since <= $3 AND m.user_id > $5
  AND NOT EXISTS (SELECT 1 FROM staged_member s WHERE s.attempt = $4 AND s.group_id = m.group_id AND s.user_id = m.user_id)
ORDER BY user_id LIMIT $6;

-- name: listed_nested
SELECT DISTINCT user_id FROM staged_member WHERE attempt = $1 AND group_id = $2 AND nested ORDER BY user_id;

-- name: apply_groups
WITH folded AS (
    SELECT group_id, merged(record ORDER BY position) AS record, (array_agg(removed ORDER BY position DESC))[1] AS removed, count(*) AS records
    FROM staged_group WHERE attempt = $2 GROUP BY group_id
), said AS (
    SELECT group_id, removed, record - '{@removed,@odata.type,members@delta}'::text[] AS attributes,
           CASE jsonb_typeof(record -> 'securityEnabled') WHEN 'boolean' THEN (record ->> 'securityEnabled')::boolean END AS security_enabled
    FROM folded WHERE NOT $3::boolean OR removed IS NULL
), before AS MATERIALIZED (
    SELECT m.group_id, m.lifecycle FROM mirror_group m JOIN said s ON s.group_id = m.group_id WHERE m.job_id = $1
), applied AS (
    INSERT INTO mirror_group AS m (job_id, group_id, lifecycle, attributes, security_enabled)
    SELECT $1, group_id, CASE WHEN removed IS NULL THEN 'live' WHEN removed = 'changed' THEN 'softDeleted' ELSE 'hardDeleted' END,
           attributes, coalesce(security_enabled, true)
    FROM said
    ON CONFLICT (job_id, group_id) DO UPDATE
    SET lifecycle = excluded.lifecycle, attributes = m.attributes || excluded.attributes,
        security_enabled = coalesce((SELECT s.security_enabled FROM said s WHERE s.group_id = m.group_id), m.security_enabled)
    WHERE m.lifecycle <> excluded.lifecycle OR m.attributes <> m.attributes || excluded.attributes
       OR m.security_enabled <> coalesce((SELECT s.security_enabled FROM said s WHERE s.group_id = m.group_id), m.security_enabled)
    RETURNING m.group_id, m.lifecycle
), touching AS (
    INSERT INTO touched SELECT 'group', group_id FROM applied
    WHERE $5::boolean OR EXISTS (SELECT 1 FROM mirror_assignment a
                                 WHERE a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = applied.group_id)
       OR EXISTS (SELECT 1 FROM emitted e WHERE e.job_id = $1 AND e.object_id = applied.group_id)
    ON CONFLICT DO NOTHING
), restored AS (
    INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
    SELECT $1, 'members', a.group_id, 'restored', $4::timestamptz
    FROM applied a JOIN before b ON b.group_id = a.group_id AND b.lifecycle <> 'live' WHERE a.lifecycle = 'live'
    ON CONFLICT (job_id, kind, object_id) DO UPDATE SET due_at = least(recheck.due_at, excluded.due_at)
)
SELECT f.group_id AS object_id, a.group_id IS NOT NULL AS changed, f.records > 1 AS several
FROM folded f LEFT JOIN applied a ON a.group_id = f.group_id LEFT JOIN before b ON b.group_id = f.group_id
WHERE f.group_id = ANY ($6::text[]) OR (a.lifecycle = 'live' AND b.lifecycle <> 'live');

-- name: doubt_missing_groups
WITH present AS MATERIALIZED (
    SELECT group_id FROM staged_group WHERE attempt = $2 GROUP BY group_id
    HAVING (array_agg(removed ORDER BY position DESC))[1] IS NULL
), missing AS MATERIALIZED (
    SELECT group_id FROM mirror_group m WHERE m.job_id = $1 AND m.lifecycle <> 'hardDeleted'
      AND NOT EXISTS (SELECT 1 FROM present p WHERE p.group_id = m.group_id)
)
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT $1, 'group', group_id, 'missing', $3::timestamptz FROM missing ON CONFLICT (job_id, kind, object_id) DO NOTHING;

-- name: apply_users
WITH folded AS (
    SELECT user_id, merged(record ORDER BY position) AS attributes, (array_agg(removed ORDER BY position DESC))[1] AS removed, count(*) AS records
    FROM staged_user WHERE attempt = $2 GROUP BY user_id
), before AS MATERIALIZED (
    SELECT m.user_id, m.lifecycle FROM mirror_user m JOIN folded f ON f.user_id = m.user_id WHERE m.job_id = $1 AND m.lifecycle <> 'live'
), applied AS (
    INSERT INTO mirror_user AS m (job_id, user_id, lifecycle, attributes)
    SELECT $1, f.user_id, CASE WHEN removed IS NULL THEN 'live' WHEN removed = 'changed' THEN 'softDeleted' ELSE 'hardDeleted' END,
           brought_up(coalesce(k.attributes, '{}'), f.attributes, $3)
    FROM folded f LEFT JOIN mirror_user k ON k.job_id = $1 AND k.user_id = f.user_id
    WHERE NOT $3::boolean OR removed IS NULL
    ON CONFLICT (job_id, user_id) DO UPDATE SET lifecycle = excluded.lifecycle, attributes = excluded.attributes
    WHERE m.lifecycle <> excluded.lifecycle OR m.attributes <> excluded.attributes
    RETURNING m.user_id, m.lifecycle
), touching AS (
    INSERT INTO touched SELECT 'user', user_id FROM applied ON CONFLICT DO NOTHING
), restored AS (
    INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
    SELECT DISTINCT $1, 'members', m.group_id, 'restored', $4::timestamptz
    FROM applied a JOIN before b ON b.user_id = a.user_id
    JOIN mirror_member m ON m.job_id = $1 AND m.user_id = a.user_id
    WHERE a.lifecycle = 'live'
    ON CONFLICT (job_id, kind, object_id) DO UPDATE SET due_at = least(recheck.due_at, excluded.due_at)
)
SELECT f.user_id AS object_id, a.user_id IS NOT NULL AS changed, f.records > 1 AS several
FROM folded f LEFT JOIN applied a ON a.user_id = f.user_id LEFT JOIN before b ON b.user_id = f.user_id
WHERE f.user_id = ANY ($5::text[]) OR (a.lifecycle = 'live' AND b.user_id IS NOT NULL);

-- name: unsure_of_managers
-- A full read shows each user as of its page, and the first round after it begins before the first page. A manager that came and went
-- since then is told by a record that says nothing of managers, or that an older one went, although the page showed another one.
SELECT s.user_id AS object_id FROM staged_user s JOIN mirror_user known ON known.job_id = $1 AND known.user_id = s.user_id
WHERE s.attempt = $2 AND s.removed IS NULL AND EXISTS (SELECT 1 FROM mirror_user m WHERE m.job_id = $1 AND m.attributes ? 'manager')
GROUP BY s.user_id HAVING NOT bool_or(s.record ? 'manager');

-- name: settle_users
DELETE FROM recheck r USING (
    SELECT user_id FROM staged_user WHERE attempt = $2 GROUP BY user_id
    HAVING NOT $3::boolean OR (array_agg(removed ORDER BY position DESC))[1] IS NULL
) s
WHERE r.job_id = $1 AND r.kind = 'user' AND s.user_id = r.object_id;

-- name: settle_groups
DELETE FROM recheck r USING (
    SELECT group_id FROM staged_group WHERE attempt = $2 GROUP BY group_id
    HAVING NOT $3::boolean OR (array_agg(removed ORDER BY position DESC))[1] IS NULL
) s
WHERE r.job_id = $1 AND r.kind = 'group' AND s.group_id = r.object_id;

-- name: doubt_missing_users
WITH present AS MATERIALIZED (
    SELECT user_id FROM staged_user WHERE attempt = $2 GROUP BY user_id
    HAVING (array_agg(removed ORDER BY position DESC))[1] IS NULL
)
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT m.job_id, 'user', m.user_id, 'missing', $3::timestamptz
FROM mirror_user m JOIN emitted e ON e.job_id = m.job_id AND e.object_id = m.user_id
WHERE m.job_id = $1 AND m.lifecycle <> 'hardDeleted'
  AND NOT EXISTS (SELECT 1 FROM present p WHERE p.user_id = m.user_id)
ON CONFLICT (job_id, kind, object_id) DO NOTHING;

-- name: forget_missing_users
WITH present AS MATERIALIZED (
    SELECT user_id FROM staged_user WHERE attempt = $2 GROUP BY user_id
    HAVING (array_agg(removed ORDER BY position DESC))[1] IS NULL
)
DELETE FROM mirror_user m
WHERE m.job_id = $1
  AND NOT EXISTS (SELECT 1 FROM present p WHERE p.user_id = m.user_id)
  AND NOT EXISTS (SELECT 1 FROM emitted e WHERE e.job_id = $1 AND e.object_id = m.user_id);

-- name: doubt_unknown_groups
INSERT INTO recheck (job_id, kind, object_id, reason, due_at)
SELECT DISTINCT $1, 'group', a.principal_id, 'unknown', $2::timestamptz
FROM mirror_assignment a
WHERE a.job_id = $1 AND a.principal_type = 'group'
  AND NOT EXISTS (SELECT 1 FROM mirror_group g WHERE g.job_id = $1 AND g.group_id = a.principal_id)
ON CONFLICT (job_id, kind, object_id) DO NOTHING;

-- name: touch_everybody
INSERT INTO touched
SELECT principal_type, principal_id FROM mirror_assignment WHERE job_id = $1 AND principal_type <> 'servicePrincipal'
UNION SELECT object_type, object_id FROM emitted WHERE job_id = $1 AND assigned
ON CONFLICT DO NOTHING;

-- name: touch_members
WITH RECURSIVE below AS (
    SELECT object_id AS group_id FROM touched WHERE kind = 'group'
    UNION
    SELECT m.user_id FROM below b JOIN mirror_member m ON m.job_id = $1 AND m.group_id = b.group_id AND m.nested WHERE $2::boolean
)
INSERT INTO touched
SELECT DISTINCT 'user', m.user_id FROM below b JOIN mirror_member m ON m.job_id = $1 AND m.group_id = b.group_id
WHERE NOT m.nested ON CONFLICT DO NOTHING;

-- name: drop_dead_users
WITH dead AS MATERIALIZED (
    SELECT u.user_id FROM touched t JOIN mirror_user u ON u.job_id = $1 AND u.user_id = t.object_id
    WHERE t.kind = 'user' AND u.lifecycle = 'hardDeleted'
)
DELETE FROM mirror_member m USING dead d WHERE m.job_id = $1 AND m.user_id = d.user_id;

-- name: drop_dead_groups
WITH dead AS MATERIALIZED (
    SELECT g.group_id FROM touched t JOIN mirror_group g ON g.job_id = $1 AND g.group_id = t.object_id
    WHERE t.kind = 'group' AND g.lifecycle = 'hardDeleted'
)
DELETE FROM mirror_member m USING dead d WHERE m.job_id = $1 AND m.group_id = d.group_id;

-- name: keep_only_removals
DELETE FROM touched t WHERE NOT EXISTS (SELECT 1 FROM removal r WHERE r.object_id = t.object_id);

-- name: note_removals
INSERT INTO removal SELECT unnest($1::text[]) ON CONFLICT DO NOTHING;

-- name: save_effective
UPDATE emitted e SET effective = s.effective
FROM unnest($2::text[], $3::bool[]) AS s (object_id, effective)
WHERE e.job_id = $1 AND e.object_id = s.object_id;

-- name: touch_leaving
INSERT INTO touched
SELECT e.object_type, l.object_id FROM leaving l JOIN emitted e ON e.job_id = l.job_id AND e.object_id = l.object_id
WHERE l.job_id = $1 ON CONFLICT DO NOTHING;

-- name: note_leaving
INSERT INTO leaving (job_id, object_id, round) SELECT $1, object_id, $3 FROM unnest($2::text[]) object_id ON CONFLICT DO NOTHING;

-- name: forget_leaving
DELETE FROM leaving WHERE job_id = $1 AND object_id = ANY ($2::text[]);
