-- The first schema. Times are seconds since the epoch; frame and job states are the words of protocol/states.py.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
    id       TEXT PRIMARY KEY,
    position INTEGER NOT NULL UNIQUE, -- order of announcement
    manifest TEXT NOT NULL,           -- JSON
    state    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    blender  TEXT NOT NULL,           -- the series that renders it, or ''
    created  REAL NOT NULL,
    started  REAL,
    finished REAL
) WITHOUT ROWID;

-- Only frames that were dispatched at least once have a row: announcing a million frames writes one row.
CREATE TABLE frames (
    job      TEXT NOT NULL REFERENCES jobs (id),
    frame    INTEGER NOT NULL,
    state    TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    slave    TEXT NOT NULL,           -- id of the last slave that had it
    lease    INTEGER NOT NULL,
    seconds  REAL,
    sha256   TEXT NOT NULL,           -- of the result
    size     INTEGER NOT NULL,
    error    TEXT NOT NULL,
    PRIMARY KEY (job, frame)
) WITHOUT ROWID;

CREATE TABLE slaves (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL,
    host      TEXT NOT NULL,
    blender   TEXT NOT NULL,
    threads   INTEGER NOT NULL,
    features  TEXT NOT NULL,          -- JSON array
    last_seen REAL NOT NULL
) WITHOUT ROWID;
