-- name: load_subscriptions
SELECT job_id, stream, identity, address, subscription_id, renewed_at, expires_at, wish, failures, retry_at
FROM subscription WHERE job_id = $1;

-- name: list_jobs_with_subscriptions
SELECT DISTINCT job_id FROM subscription ORDER BY job_id;

-- name: list_digests
SELECT job_id, stream, client_state_digest FROM subscription;

-- name: ask_subscription
INSERT INTO subscription (job_id, stream, identity, address, client_state_digest, renewed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (job_id, stream) DO UPDATE
SET identity = excluded.identity, address = excluded.address, client_state_digest = excluded.client_state_digest,
    renewed_at = excluded.renewed_at, subscription_id = NULL, expires_at = NULL, wish = NULL;

-- name: confirm_subscription
UPDATE subscription
SET subscription_id = $3, renewed_at = $4, expires_at = $5, wish = CASE WHEN wish = 'recreate' THEN wish END, failures = 0, retry_at = NULL, problem = NULL
WHERE job_id = $1 AND stream = $2;

-- name: fail_subscription
UPDATE subscription SET failures = $3, retry_at = $4, problem = $5 WHERE job_id = $1 AND stream = $2;

-- name: forget_subscription
DELETE FROM subscription WHERE job_id = $1 AND stream = $2;

-- name: tell_hints
SELECT pg_notify($1, job_id) FROM unnest($2::text[]) job_id;

-- name: tell_wishes
WITH told AS (
    UPDATE subscription s SET wish = w.wish
    FROM unnest($2::text[], $3::text[], $4::text[]) AS w (job_id, stream, wish)
    WHERE s.job_id = w.job_id AND s.stream = w.stream AND s.subscription_id IS NOT NULL
    RETURNING s.job_id
)
SELECT pg_notify($1, job_id) FROM (SELECT DISTINCT job_id FROM told) changed;
