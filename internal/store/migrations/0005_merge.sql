-- A merge queue for each base branch of a repository.

CREATE TABLE queues (
	id  TEXT PRIMARY KEY,
	doc TEXT NOT NULL -- life.Queue
) WITHOUT ROWID;
