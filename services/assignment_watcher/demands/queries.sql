-- name: take
INSERT INTO demand (job_id, request_id, user_name, correlation_id, traceparent, asked_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING;

-- name: claim
UPDATE demand SET tries = tries + 1, due_at = $1::timestamptz + $2::interval
WHERE (job_id, request_id) IN (
    SELECT job_id, request_id FROM demand WHERE due_at <= $1 AND job_id <> ALL ($4::text[]) ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING job_id, request_id, user_name, correlation_id, traceparent, asked_at, tries;

-- name: put_back
UPDATE demand SET due_at = $3, tries = tries - 1 WHERE job_id = $1 AND request_id = $2;

-- name: finish
DELETE FROM demand WHERE job_id = $1 AND request_id = $2 RETURNING 1;

-- name: drop_staged
WITH users AS (DELETE FROM staged_user WHERE attempt = $1), members AS (DELETE FROM staged_member WHERE attempt = $1)
DELETE FROM staged_assignment WHERE attempt = $1;

-- name: touch
INSERT INTO touched VALUES ('user', $1) ON CONFLICT DO NOTHING;

-- name: groups_in_question
SELECT DISTINCT principal_id FROM mirror_assignment a
WHERE job_id = $1 AND principal_type = 'group'
  AND NOT EXISTS (SELECT 1 FROM mirror_member m WHERE m.job_id = $1 AND m.group_id = a.principal_id AND m.user_id = $2)
ORDER BY principal_id LIMIT $3;
