-- Times are nanoseconds since 1970 in UTC; 0 is "never".

CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value
) WITHOUT ROWID;

-- The truth. Rows are never changed and never deleted, so max(seq)+1 is always new.
CREATE TABLE events (
	seq  INTEGER PRIMARY KEY,
	time INTEGER NOT NULL,
	task TEXT    NOT NULL, -- '' for the fleet as a whole
	gen  INTEGER NOT NULL,
	kind TEXT    NOT NULL,
	v    INTEGER NOT NULL, -- version of the payload
	data TEXT    NOT NULL
);
CREATE INDEX events_task ON events (task, seq);

-- Everything from here to offsets is a projection: it can be dropped and folded again from events.

-- Rows of removed tasks stay, so that max(num)+1 is never used twice. doc stands last because it is the largest:
-- a listing reads the columns before it and leaves its pages alone.
CREATE TABLE tasks (
	num         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL UNIQUE,
	name        TEXT    NOT NULL,
	state       TEXT    NOT NULL,
	busy        INTEGER NOT NULL,
	removed     INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	next_due    INTEGER NOT NULL, -- the earliest of the task's deadlines
	summary     TEXT    NOT NULL, -- one object of "muster ls --json"
	doc         TEXT    NOT NULL  -- life.Task
);
CREATE INDEX tasks_busy ON tasks (num) WHERE busy;
CREATE INDEX tasks_finished ON tasks (finished_at);

CREATE TABLE prompts (
	task TEXT PRIMARY KEY,
	text TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE messages (
	task       TEXT    NOT NULL,
	num        INTEGER NOT NULL,
	id         TEXT    NOT NULL,
	why        TEXT    NOT NULL,
	at         INTEGER NOT NULL,
	state      TEXT    NOT NULL,
	gen        INTEGER NOT NULL,
	changed_at INTEGER NOT NULL,
	evidence   TEXT    NOT NULL,
	text       TEXT    NOT NULL,
	PRIMARY KEY (task, num)
) WITHOUT ROWID;

CREATE TABLE attempts (
	task         TEXT    NOT NULL,
	gen          INTEGER NOT NULL,
	attempt      INTEGER NOT NULL,
	why          TEXT    NOT NULL,
	conversation TEXT    NOT NULL,
	resume       INTEGER NOT NULL,
	started_at   INTEGER NOT NULL,
	launched_at  INTEGER NOT NULL DEFAULT 0,
	pid          INTEGER NOT NULL DEFAULT 0,
	session      TEXT    NOT NULL DEFAULT '',
	exited_at    INTEGER NOT NULL DEFAULT 0,
	cause        TEXT    NOT NULL DEFAULT '',
	exit         INTEGER, -- NULL where nobody could tell
	signal       INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (task, gen)
) WITHOUT ROWID;

CREATE TABLE fleet (
	id  INTEGER PRIMARY KEY CHECK (id = 1),
	doc TEXT NOT NULL -- FleetRow
);

-- How far tailed files were read. Not a projection: it belongs to the transaction that wrote what was read.
CREATE TABLE offsets (
	source TEXT PRIMARY KEY,
	offset INTEGER NOT NULL
) WITHOUT ROWID;
