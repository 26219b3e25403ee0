-- Events, deadlines and actions belong to a subject: a task as before, or an account or a merge queue. The turn of a
-- task's agent is one value where it was one and three flags. All projections are folded again.

ALTER TABLE events ADD COLUMN subject TEXT NOT NULL DEFAULT ''; -- 'account:NAME', 'queue:NAME'; '' for a task or the fleet

CREATE TABLE accounts (
	id  TEXT PRIMARY KEY,
	doc TEXT NOT NULL -- life.Account
) WITHOUT ROWID;
