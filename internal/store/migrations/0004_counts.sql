-- To ask how many tasks there are costs the same however many there are, and a task that is queued costs less to write.

-- How many tasks are in each state, removed ones left out. A state without any has no row.
CREATE TABLE counts (
	state TEXT    PRIMARY KEY,
	n     INTEGER NOT NULL
) WITHOUT ROWID;

DROP INDEX tasks_state;

-- A prompt lies in the event that dispatched its task.
DROP TABLE prompts;
