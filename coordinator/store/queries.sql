-- name: set_meta
INSERT INTO meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: get_meta
SELECT value FROM meta WHERE key = :key;

-- name: put_job
-- The manifest and the position never change after the first time.
INSERT INTO jobs (id, position, manifest, state, reason, blender, created, started, finished)
VALUES (:id, :position, :manifest, :state, :reason, :blender, :created, :started, :finished)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, reason = excluded.reason, blender = excluded.blender,
    started = excluded.started, finished = excluded.finished;

-- name: put_frame
-- A result that is stored is never written over.
INSERT INTO frames (job, frame, state, attempts, slave, lease, seconds, sha256, size, error)
VALUES (:job, :frame, :state, :attempts, :slave, :lease, :seconds, :sha256, :size, :error)
ON CONFLICT (job, frame) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, lease = excluded.lease, seconds = excluded.seconds,
    slave = CASE excluded.slave WHEN '' THEN frames.slave ELSE excluded.slave END,
    sha256 = excluded.sha256, size = excluded.size,
    error = CASE excluded.error WHEN '' THEN frames.error ELSE excluded.error END
WHERE frames.state <> 'done';

-- name: put_slave
INSERT INTO slaves (id, name, host, blender, threads, features, last_seen)
VALUES (:id, :name, :host, :blender, :threads, :features, :last_seen)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, host = excluded.host, blender = excluded.blender, threads = excluded.threads,
    features = excluded.features, last_seen = excluded.last_seen;

-- name: all_jobs
SELECT * FROM jobs ORDER BY position;

-- name: all_slaves
SELECT * FROM slaves;

-- name: frames_of_job
SELECT * FROM frames WHERE job = :job ORDER BY frame;

-- name: one_frame
SELECT * FROM frames WHERE job = :job AND frame = :frame;
