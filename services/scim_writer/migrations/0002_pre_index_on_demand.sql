-- What operators asked for is carried out also while a job does not run; this finds it among everything else that waits there.
CREATE INDEX work_on_demand ON work (job_id, due_at, position) WHERE state = 'ready' AND command LIKE '%"onDemand":true%';
