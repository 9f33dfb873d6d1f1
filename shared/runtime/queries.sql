-- name: remember_events
INSERT INTO inbox (event_id) SELECT DISTINCT u FROM unnest($1::uuid[]) u ON CONFLICT DO NOTHING RETURNING event_id;

-- name: forget_events
DELETE FROM inbox WHERE event_id IN (SELECT event_id FROM inbox WHERE received_at < now() - $1::interval LIMIT 10000);

-- name: append_outbox
INSERT INTO outbox (topic, key, partition, headers, payload)
SELECT topic, key, partition, headers, payload
FROM unnest($1::text[], $2::bytea[], $3::int[], $4::text[], $5::bytea[]) WITH ORDINALITY
     AS row (topic, key, partition, headers, payload, position)
ORDER BY position;

-- name: take_outbox
DELETE FROM outbox
WHERE id = ANY (ARRAY(SELECT id FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING id, topic, key, partition, headers, payload;

-- name: measure_outbox
SELECT count(*) AS rows, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds FROM outbox;

-- name: record_dead_letters
INSERT INTO dead_letter (topic, partition, position, reason)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) ON CONFLICT DO NOTHING;

-- name: count_dead_letters
SELECT count(*) FROM dead_letter WHERE at > now() - interval '1 hour';

-- name: store_jobs
INSERT INTO job (job_id, version, record, deleted, changed_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::jsonb[], $4::bool[], $5::timestamptz[])
ON CONFLICT (job_id) DO UPDATE
SET version = excluded.version, record = excluded.record, deleted = excluded.deleted, changed_at = excluded.changed_at
WHERE job.version < excluded.version;

-- name: load_jobs
SELECT job_id, version, record::text AS record FROM job WHERE job_id = ANY ($1::text[]);

-- name: load_job_versions
SELECT job_id, version FROM job WHERE job_id = ANY ($1::text[]);

-- name: list_jobs
SELECT job_id, version, record::text AS record FROM job WHERE NOT deleted ORDER BY job_id;

-- name: take_lease
INSERT INTO lease (name, owner, epoch, expires_at) VALUES ($1, $2, 1, clock_timestamp() + $3::interval)
ON CONFLICT (name) DO UPDATE
SET owner = excluded.owner, expires_at = excluded.expires_at,
    epoch = CASE WHEN lease.owner = excluded.owner THEN lease.epoch ELSE lease.epoch + 1 END
WHERE lease.owner = excluded.owner OR lease.expires_at < clock_timestamp()
RETURNING epoch;

-- name: check_lease
SELECT 1 FROM lease WHERE name = $1 AND owner = $2 AND epoch = $3 FOR SHARE;

-- name: release_lease
UPDATE lease SET expires_at = '-infinity' WHERE name = $1 AND owner = $2 AND epoch = $3;
