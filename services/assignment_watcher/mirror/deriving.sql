-- Two ways to find the paths of the touched users, and what is made of them: a statement is one of the two with `derive` after it. Groups
-- have no paths but their own assignments.

-- name: direct_paths
WITH path AS (
    SELECT t.object_id, a.assignment_id, a.role_id, NULL::text AS group_id, false AS nested, a.assigned_at
    FROM touched t
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'user' AND a.principal_id = t.object_id
    WHERE t.kind = 'user'
    UNION ALL
    SELECT t.object_id, a.assignment_id, a.role_id, m.group_id, false, a.assigned_at
    FROM touched t
    JOIN mirror_member m ON m.job_id = $1 AND m.user_id = t.object_id
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = m.group_id
    JOIN mirror_group g ON g.job_id = $1 AND g.group_id = m.group_id AND g.lifecycle = 'live' AND g.security_enabled
    WHERE t.kind = 'user'
);

-- name: nested_paths
WITH RECURSIVE above AS (
    SELECT t.object_id, m.group_id, false AS nested
    FROM touched t JOIN mirror_member m ON m.job_id = $1 AND m.user_id = t.object_id
    JOIN mirror_group g ON g.job_id = $1 AND g.group_id = m.group_id AND g.lifecycle = 'live' AND g.security_enabled
    WHERE t.kind = 'user'
    UNION
    SELECT a.object_id, m.group_id, true
    FROM above a JOIN mirror_member m ON m.job_id = $1 AND m.user_id = a.group_id AND m.nested
    JOIN mirror_group g ON g.job_id = $1 AND g.group_id = m.group_id AND g.lifecycle = 'live' AND g.security_enabled
), path AS (
    SELECT t.object_id, a.assignment_id, a.role_id, NULL::text AS group_id, false AS nested, a.assigned_at
    FROM touched t
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'user' AND a.principal_id = t.object_id
    WHERE t.kind = 'user'
    UNION ALL
    SELECT b.object_id, a.assignment_id, a.role_id, b.group_id, b.nested, a.assigned_at
    FROM (SELECT object_id, group_id, bool_and(nested) AS nested FROM above GROUP BY object_id, group_id) b
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = b.group_id
);

-- name: derive
, folded AS (
    SELECT object_id, min(assigned_at) AS assigned_at, array_agg(assigned_at) AS times, array_agg(assignment_id) AS assignments,
           array_agg(group_id) AS groups, array_agg(role_id) AS roles, array_agg(group_id) FILTER (WHERE nested) AS nested
    FROM path GROUP BY object_id
)
SELECT t.object_id, u.lifecycle, u.attributes::text AS attributes, f.times, f.assignments, f.groups, f.roles, f.nested,
       e.version, e.digest, e.assigned_at, e.effective, h.hold_id, l.round AS leaving_since
FROM touched t
LEFT JOIN folded f ON f.object_id = t.object_id
LEFT JOIN mirror_user u ON u.job_id = $1 AND u.user_id = t.object_id
LEFT JOIN emitted e ON e.job_id = $1 AND e.object_id = t.object_id
LEFT JOIN held h ON h.job_id = $1 AND h.object_id = t.object_id
LEFT JOIN leaving l ON l.job_id = $1 AND l.object_id = t.object_id
WHERE t.kind = 'user' AND (f.object_id IS NOT NULL OR e.object_id IS NOT NULL)
ORDER BY f.assigned_at NULLS LAST, t.object_id;

-- name: derive_groups
WITH folded AS (
    SELECT t.object_id, min(a.assigned_at) AS assigned_at, array_agg(a.assigned_at) AS times, array_agg(a.assignment_id) AS assignments,
           array_agg(NULL::text) AS groups, array_agg(a.role_id) AS roles
    FROM touched t
    JOIN mirror_assignment a ON a.job_id = $1 AND a.principal_type = 'group' AND a.principal_id = t.object_id
    WHERE t.kind = 'group' GROUP BY t.object_id
)
SELECT t.object_id, g.lifecycle, (g.attributes || jsonb_build_object('securityEnabled', g.security_enabled))::text AS attributes,
       f.times, f.assignments, f.groups, f.roles, NULL::text[] AS nested, e.version, e.digest, e.assigned_at, e.effective, h.hold_id,
       l.round AS leaving_since
FROM touched t
LEFT JOIN folded f ON f.object_id = t.object_id
LEFT JOIN mirror_group g ON g.job_id = $1 AND g.group_id = t.object_id
LEFT JOIN emitted e ON e.job_id = $1 AND e.object_id = t.object_id
LEFT JOIN held h ON h.job_id = $1 AND h.object_id = t.object_id
LEFT JOIN leaving l ON l.job_id = $1 AND l.object_id = t.object_id
WHERE t.kind = 'group' AND (f.object_id IS NOT NULL OR e.object_id IS NOT NULL)
ORDER BY f.assigned_at NULLS LAST, t.object_id;

-- name: save_emitted
INSERT INTO emitted (job_id, object_type, object_id, version, digest, assigned, assigned_at, effective)
SELECT $1, $8, * FROM unnest($2::text[], $3::bigint[], $4::bytea[], $5::bool[], $6::timestamptz[], $7::bool[])
ON CONFLICT (job_id, object_id) DO UPDATE
SET version = excluded.version, digest = excluded.digest, assigned = excluded.assigned, assigned_at = excluded.assigned_at,
    effective = excluded.effective;
