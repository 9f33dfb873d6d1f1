-- name: add_collections
INSERT INTO collection (job_id, kind) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING;

-- name: lock_collections
SELECT job_id, kind FROM collection JOIN unnest($1::text[], $2::text[]) AS wanted (job_id, kind) USING (job_id, kind)
ORDER BY job_id, kind FOR UPDATE OF collection;

-- name: save_problems
INSERT INTO problem (job_id, kind, subject, code, generation, message, advice, http_status, at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::int[], $9::timestamptz[])
ON CONFLICT (job_id, kind, subject, code) DO UPDATE
SET generation = excluded.generation, message = excluded.message, advice = excluded.advice, http_status = excluded.http_status,
    at = excluded.at, recovered = false
WHERE problem.generation < excluded.generation
RETURNING job_id, kind, mail_id IS NULL AS to_mail;

-- name: recover
WITH recovery AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS row (job_id, kind, subject, generation)
), forgotten AS (
    DELETE FROM problem USING recovery
    WHERE (problem.job_id, problem.kind, problem.subject) = (recovery.job_id, recovery.kind, recovery.subject)
      AND problem.generation < recovery.generation AND problem.mail_id IS NOT NULL
)
UPDATE problem SET recovered = true FROM recovery
WHERE (problem.job_id, problem.kind, problem.subject) = (recovery.job_id, recovery.kind, recovery.subject)
  AND problem.generation < recovery.generation AND problem.mail_id IS NULL;

-- name: extend_collections
UPDATE collection SET first_at = coalesce(first_at, $3::timestamptz), last_at = $3::timestamptz
FROM unnest($1::text[], $2::text[]) AS fresh (job_id, kind)
WHERE (collection.job_id, collection.kind) = (fresh.job_id, fresh.kind);

-- name: list_collections
SELECT job_id, kind, first_at, last_at, last_mail_at FROM collection WHERE first_at IS NOT NULL ORDER BY job_id, kind;

-- name: lock_collection
SELECT first_at, last_at, last_mail_at, mails FROM collection WHERE job_id = $1 AND kind = $2 AND first_at IS NOT NULL FOR UPDATE;

-- name: read_problems
SELECT subject, code, message, advice, http_status, at, recovered FROM problem
WHERE job_id = $1 AND kind = $2 AND mail_id IS NULL ORDER BY at, subject, code;

-- name: mark_mailed
UPDATE problem SET mail_id = $3 WHERE job_id = $1 AND kind = $2 AND mail_id IS NULL AND NOT recovered;

-- name: forget_unmailed
DELETE FROM problem WHERE job_id = $1 AND kind = $2 AND mail_id IS NULL;

-- name: close_collection
UPDATE collection SET first_at = NULL, last_at = NULL, last_mail_at = coalesce($3::timestamptz, last_mail_at), mails = mails + 1
WHERE job_id = $1 AND kind = $2;

-- name: add_mail
INSERT INTO mail (id, job_id, kind, state, content, problems, next_attempt_at, created_at, changed_at)
VALUES ($1, $2, $3, 'pending', $4::jsonb, $5, $6, $6, $6) ON CONFLICT (id) DO NOTHING;

-- name: add_suppressed
INSERT INTO mail (id, job_id, kind, state, content, reason, problems, created_at, changed_at)
VALUES ($1, $2, $3, 'suppressed', $4::jsonb, $5, $6, $7, $7)
ON CONFLICT (id) DO UPDATE
SET content = excluded.content, problems = mail.problems + excluded.problems, changed_at = excluded.changed_at;

-- name: list_due_mails
SELECT id, job_id, kind, content::text AS content, attempts, created_at FROM mail
WHERE state IN ('pending', 'failed') AND next_attempt_at <= $1 ORDER BY next_attempt_at, created_at LIMIT $2;

-- name: claim_mail
UPDATE mail SET state = 'sending', changed_at = $2 WHERE id = $1 AND state IN ('pending', 'failed') RETURNING id;

-- name: settle_mail
UPDATE mail SET state = $2, reason = $3, next_attempt_at = $4, changed_at = $5, attempts = attempts + 1
WHERE id = $1 AND state IN ('pending', 'failed', 'sending', 'uncertain') RETURNING id;

-- name: postpone_due_mails
UPDATE mail SET state = 'failed', reason = $1, next_attempt_at = $2, changed_at = $3, attempts = attempts + 1
WHERE state IN ('pending', 'failed') AND next_attempt_at <= $3;

-- name: doubt_sending_mails
UPDATE mail SET state = 'uncertain', reason = $1, next_attempt_at = NULL, changed_at = $2 WHERE state = 'sending' RETURNING id;

-- name: count_mails
SELECT state, count(*) AS mails FROM mail WHERE state IN ('pending', 'sending', 'failed', 'uncertain') GROUP BY state;
