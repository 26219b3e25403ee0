package store_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

func TestOverviewShowsFewOfThoseThatWaitOrHaveEnded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	s := openAt(t, newPath(t), store.Options{Now: func() time.Time { return now }})
	end := func(id event.TaskID) {
		t.Helper()
		if err := s.Request(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Append(id, 0, event.TaskMoved{From: event.Queued, To: event.Cancelled, Rule: "test"})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		dispatch(t, s, "task")
	}
	end("t9") // more than a day before the list
	now = now.Add(48 * time.Hour)
	for _, id := range []event.TaskID{"t3", "t1", "t2"} { // the newest last
		now = now.Add(time.Minute)
		end(id)
	}
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append("t10", 0, event.TaskMoved{From: event.Queued, To: event.Parked, Rule: "test"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		most           int
		want           string
		waiting, ended int
	}{
		{2, "t1 t2 t4 t5 t10 ", 3, 1},
		{100, "t1 t2 t3 t4 t5 t6 t7 t8 t10 ", 0, 0},
	} {
		o, err := s.Overview(t.Context(), c.most)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, task := range o.Tasks {
			got += string(task.ID) + " "
		}
		if got != c.want || o.Waiting != c.waiting || o.Ended != c.ended {
			t.Errorf("at most %d: %s, %d more wait and %d more ended; want %s, %d and %d", c.most, got, o.Waiting, o.Ended, c.want, c.waiting, c.ended)
		}
	}
}

// TestQueriesOfAQueueWalkTheIndexesMadeForThem fails if SQLite would read tasks that are not selected, by a scan of
// the table or of an index that holds all tasks.
func TestQueriesOfAQueueWalkTheIndexesMadeForThem(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	openAt(t, path, store.Options{})
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, query := range store.QueueQueries() {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, 1, 1, 1)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(step, " tasks") && (!strings.Contains(step, " INDEX tasks_") || strings.Contains(step, "tasks_name")) {
				t.Errorf("%s: %s", query, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
