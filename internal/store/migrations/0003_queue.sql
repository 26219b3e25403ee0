-- The supervisor reads what runs and the head of the queue, however much is queued.

DROP TABLE tasks;

-- Rows of removed tasks stay, so that max(num)+1 is never used twice. doc stands last because it is the largest:
-- a listing reads the columns before it and leaves its pages alone.
CREATE TABLE tasks (
	num         INTEGER PRIMARY KEY,
	id          TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	state       TEXT    NOT NULL,
	busy        INTEGER NOT NULL, -- a supervisor has to look after it
	waits       INTEGER NOT NULL, -- it only waits for its turn (life.Task.Waits)
	rank        INTEGER,          -- in line for a slot: its priority, negated; else NULL
	unsettled   INTEGER,          -- awaits others: 1 if their states may settle it, else 0; NULL if it awaits none
	removed     INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	next_due    INTEGER NOT NULL, -- the earliest of the task's deadlines
	summary     TEXT    NOT NULL, -- one object of "muster ls --json"
	doc         TEXT    NOT NULL  -- life.Task
);
CREATE INDEX tasks_busy ON tasks (num) WHERE busy;
CREATE INDEX tasks_line ON tasks (rank, num) WHERE rank IS NOT NULL;
CREATE INDEX tasks_unsettled ON tasks (num) WHERE unsettled = 1;
CREATE INDEX tasks_due ON tasks (next_due) WHERE next_due > 0;
CREATE INDEX tasks_open ON tasks (num) WHERE finished_at = 0 AND NOT waits AND NOT removed;
CREATE INDEX tasks_waits ON tasks (num) WHERE waits AND NOT removed;
CREATE INDEX tasks_finished ON tasks (finished_at) WHERE finished_at > 0 AND NOT removed;
CREATE INDEX tasks_state ON tasks (state) WHERE NOT removed;
CREATE INDEX tasks_name ON tasks (name) WHERE NOT removed;

-- Which tasks a task comes after.
DROP TABLE IF EXISTS dependencies;
CREATE TABLE dependencies (
	num    INTEGER NOT NULL,
	on_num INTEGER NOT NULL,
	PRIMARY KEY (num, on_num)
) WITHOUT ROWID;
CREATE INDEX dependencies_on ON dependencies (on_num, num);
