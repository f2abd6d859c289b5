-- Statements that write take :rows, a JSON array of objects: SQLite walks it without the interpreter, whose lock would
-- otherwise change hands for every row. ("WHERE true" tells the parser that ON CONFLICT is not a join's ON.)

-- name: set_meta
INSERT INTO meta (key, value) SELECT json_extract(value, '$.key'), json_extract(value, '$.value')
FROM json_each(:rows) WHERE true
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: get_meta
SELECT value FROM meta WHERE key = :key;

-- name: put_job
-- The manifest and the position never change after the first time.
INSERT INTO jobs (id, position, manifest, state, reason, priority, max_slaves, blender, created, started, finished)
SELECT json_extract(value, '$.id'), json_extract(value, '$.position'), json_extract(value, '$.manifest'),
    json_extract(value, '$.state'), json_extract(value, '$.reason'), json_extract(value, '$.priority'),
    json_extract(value, '$.max_slaves'), json_extract(value, '$.blender'), json_extract(value, '$.created'),
    json_extract(value, '$.started'), json_extract(value, '$.finished')
FROM json_each(:rows) WHERE true
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, reason = excluded.reason, blender = excluded.blender,
    priority = excluded.priority, max_slaves = excluded.max_slaves,
    started = excluded.started, finished = excluded.finished;

-- name: put_frame
-- A result that is stored is never written over.
INSERT INTO frames (job, frame, state, attempts, slave, lease, seconds, sha256, size, error)
SELECT json_extract(value, '$.job'), json_extract(value, '$.frame'), json_extract(value, '$.state'),
    json_extract(value, '$.attempts'), json_extract(value, '$.slave'), json_extract(value, '$.lease'),
    json_extract(value, '$.seconds'), json_extract(value, '$.sha256'), json_extract(value, '$.size'),
    json_extract(value, '$.error')
FROM json_each(:rows) WHERE true
ON CONFLICT (job, frame) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, lease = excluded.lease, seconds = excluded.seconds,
    slave = CASE excluded.slave WHEN '' THEN frames.slave ELSE excluded.slave END,
    sha256 = excluded.sha256, size = excluded.size,
    error = CASE excluded.error WHEN '' THEN frames.error ELSE excluded.error END
WHERE frames.state <> 'done';

-- name: put_slave
INSERT INTO slaves (id, name, host, blender, threads, features, tags, memory, last_seen)
SELECT json_extract(value, '$.id'), json_extract(value, '$.name'), json_extract(value, '$.host'),
    json_extract(value, '$.blender'), json_extract(value, '$.threads'), json_extract(value, '$.features'),
    json_extract(value, '$.tags'), json_extract(value, '$.memory'), json_extract(value, '$.last_seen')
FROM json_each(:rows) WHERE true
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, host = excluded.host, blender = excluded.blender, threads = excluded.threads,
    features = excluded.features, tags = excluded.tags, memory = excluded.memory, last_seen = excluded.last_seen;

-- name: all_jobs
SELECT * FROM jobs ORDER BY position;

-- name: all_slaves
SELECT * FROM slaves;

-- name: lost_frames
-- No job has them. Python asks for one: that is enough to say that something is wrong.
SELECT job, frame FROM frames WHERE job NOT IN (SELECT id FROM jobs) LIMIT 1;

-- name: frames_of_job
SELECT * FROM frames WHERE job = :job ORDER BY frame;

-- name: one_frame
SELECT * FROM frames WHERE job = :job AND frame = :frame;
