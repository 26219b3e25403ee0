package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"muster/internal/event"
	"muster/internal/life"
)

// projection names a table that is folded from the log, and the columns of its key.
type projection struct{ table, key string }

func projections() []projection {
	return []projection{
		{"tasks", "id"},
		{"messages", "task || ' ' || id"},
		{"attempts", "task || '.' || gen"},
		{"fleet", "id"},
		{"accounts", "id"},
		{"queues", "id"},
		{"dependencies", "num || ' ' || on_num"},
		{"counts", "state"},
	}
}

// maxDiff bounds how many differences of one table Rebuild returns.
const maxDiff = 20

// Rebuild folds all projections again from the log and replaces them. It returns the differences to the old ones, one
// line for each row; nothing if they were correct. No process can write while it runs.
func (s *Store) Rebuild(ctx context.Context) (diff []string, err error) {
	b, err := s.beginOnDisk(ctx, false) // if a power failure loses it, it can be repeated
	if err != nil {
		return nil, err
	}
	diff, err = rebuild(b.ctx, b.conn)
	if err != nil {
		b.Rollback()
		return nil, s.explain(err, "rebuild projections")
	}
	return diff, b.Commit()
}

func rebuild(ctx context.Context, conn *writeConn) (diff []string, err error) {
	for _, p := range projections() {
		if _, err := conn.ExecContext(ctx, fmt.Sprintf("CREATE TEMP TABLE was_%s AS SELECT * FROM main.%[1]s", p.table)); err != nil {
			return nil, err
		}
	}
	if err := refold(ctx, conn); err != nil {
		return nil, err
	}
	for _, p := range projections() {
		lines, err := p.compare(ctx, conn)
		if err != nil {
			return nil, err
		}
		diff = append(diff, lines...)
		if _, err := conn.ExecContext(ctx, "DROP TABLE temp.was_"+p.table); err != nil {
			return nil, err
		}
	}
	return diff, nil
}

// compare returns the rows of a projection that differ from its old content.
func (p projection) compare(ctx context.Context, conn *writeConn) (lines []string, err error) {
	for _, c := range [][3]string{{"main." + p.table, "temp.was_" + p.table, "wrong or missing"}, {"temp.was_" + p.table, "main." + p.table, "wrong or not in the log"}} {
		query := fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s EXCEPT SELECT * FROM %s) LIMIT %d", p.key, c[0], c[1], maxDiff)
		rows, err := conn.QueryContext(ctx, query)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			lines = append(lines, fmt.Sprintf("%s %s: %s", p.table, key, c[2]))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// refold empties all projections and folds the log into them, within the open transaction.
func refold(ctx context.Context, conn *writeConn) error {
	for _, p := range projections() {
		if _, err := conn.ExecContext(ctx, "DELETE FROM main."+p.table); err != nil {
			return err
		}
	}
	tasks, accounts, queues := map[event.TaskID]life.Task{}, map[event.AccountID]life.Account{}, map[event.QueueID]life.Queue{}
	pr := projector{conn: conn}
	for after := int64(0); ; {
		batch, err := pageOf(ctx, conn, after)
		if err != nil {
			return err
		}
		for _, e := range batch {
			after = e.Seq
			switch {
			case e.Task != "":
				tasks[e.Task] = life.Apply(tasks[e.Task], e)
			case e.Account != "":
				accounts[e.Account] = life.ApplyAccount(accounts[e.Account], e)
			case e.Queue != "":
				queues[e.Queue] = life.ApplyQueue(queues[e.Queue], e)
			}
			if err := pr.project(ctx, e); err != nil {
				return err
			}
		}
		if len(batch) < page {
			break
		}
	}
	if err := pr.finish(ctx, sortedTasks(tasks), slices.Collect(maps.Values(accounts)), slices.Collect(maps.Values(queues))); err != nil {
		return err
	}
	counts := map[event.State]int{}
	for _, t := range tasks {
		counts[countedAs(&t)]++
	}
	return pr.count(ctx, counts)
}

// pageOf returns the next events within a transaction.
func pageOf(ctx context.Context, conn *writeConn, after int64) (out []event.Event, err error) {
	rows, err := conn.QueryContext(ctx, eventColumns+" WHERE seq > ? ORDER BY seq LIMIT ?", after, page)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func sortedTasks(m map[event.TaskID]life.Task) []life.Task {
	out := make([]life.Task, 0, len(m))
	for _, t := range m {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b life.Task) int { return compareIDs(a.ID, b.ID) })
	return out
}
