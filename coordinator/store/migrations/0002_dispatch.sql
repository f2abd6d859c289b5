-- What can be changed of a job while it is there, and what slaves say of themselves.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN max_slaves INTEGER NOT NULL DEFAULT 0;
ALTER TABLE slaves ADD COLUMN tags TEXT NOT NULL DEFAULT '[]'; -- JSON array
ALTER TABLE slaves ADD COLUMN memory INTEGER NOT NULL DEFAULT 0; -- bytes
UPDATE jobs SET priority = coalesce(json_extract(manifest, '$.priority'), 1);
