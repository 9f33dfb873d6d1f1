-- name: open_cycles
INSERT INTO cycle (job_id, cycle_id, kind, started_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
ON CONFLICT (job_id, cycle_id) DO NOTHING;

-- name: join_late
UPDATE cycle SET draining = true
FROM unnest($1::text[], $2::text[]) AS wanted (job_id, cycle_id)
WHERE (cycle.job_id, cycle.cycle_id) = (wanted.job_id, wanted.cycle_id) AND state IN ('passed', 'approved', 'dropped') AND NOT draining
RETURNING cycle.cycle_id;

-- name: rejected_cycles
SELECT cycle_id FROM cycle WHERE (job_id, cycle_id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND state = 'rejected';

-- name: note_mark
INSERT INTO cycle (job_id, cycle_id, kind, started_at, marks, partitions) VALUES ($1, $2, $3, $4, ARRAY[$5::int], $6)
ON CONFLICT (job_id, cycle_id) DO UPDATE
SET marks = CASE WHEN $5 = ANY (cycle.marks) THEN cycle.marks ELSE cycle.marks || $5 END, partitions = excluded.partitions
RETURNING cardinality(marks) >= partitions AS complete;

-- name: lock_undecided
SELECT * FROM cycle
WHERE job_id = $1 AND started_at <= $2 AND kind <> 'pass' AND (state = 'open' OR (state = 'held' AND reason = 'cycleNotClosed'))
ORDER BY started_at, cycle_id FOR UPDATE;

-- name: lock_cycle
SELECT * FROM cycle WHERE job_id = $1 AND cycle_id = $2 FOR UPDATE;

-- name: count_staged
SELECT count(*) FROM staged_removal WHERE job_id = $1 AND cycle_id = $2;

-- name: name_staged
SELECT object_id FROM staged_removal WHERE job_id = $1 AND cycle_id = $2 ORDER BY object_id LIMIT $3;

-- name: count_managed
SELECT count(*) FROM managed_object WHERE job_id = $1;

-- name: save_cycle
UPDATE cycle SET state = $3, draining = $4, removals = $5, managed = $6, reason = $7, detail = $8, held_at = $9, decided_by = $10,
    decision_reason = $11, sequence = $12
WHERE job_id = $1 AND cycle_id = $2;

-- name: forget_cycles
DELETE FROM cycle
WHERE job_id = $1 AND started_at < $2 AND NOT draining AND state IN ('passed', 'approved', 'dropped')
  AND NOT EXISTS (SELECT FROM staged_removal WHERE (staged_removal.job_id, staged_removal.cycle_id) = (cycle.job_id, cycle.cycle_id));

-- name: draining_cycles
SELECT job_id, cycle_id FROM cycle JOIN job USING (job_id) WHERE draining AND NOT job.deleted ORDER BY started_at LIMIT 100;

-- name: waiting_cycles
SELECT job_id, cycle_id FROM cycle JOIN job USING (job_id)
WHERE NOT job.deleted AND (state IN ('held', 'rejected') OR (state = 'open' AND noticed_at < $1 AND EXISTS (
    SELECT FROM staged_removal WHERE (staged_removal.job_id, staged_removal.cycle_id) = (cycle.job_id, cycle.cycle_id))))
ORDER BY started_at;

-- name: runs_initial
SELECT EXISTS (SELECT FROM cycle WHERE job_id = $1 AND kind = 'initial' AND state = 'open');

-- name: open_pass
INSERT INTO cycle (job_id, cycle_id, kind, started_at, partitions) VALUES ($1, $2, 'pass', $3, 0) ON CONFLICT DO NOTHING;
