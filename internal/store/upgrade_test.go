package store_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
)

// logOf returns the whole log as people see it.
func logOf(t *testing.T, s *store.Store) (out []event.Event) {
	t.Helper()
	for e, err := range s.Events(t.Context(), store.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestACopyIsTheWholeDatabaseAtOneMoment(t *testing.T) {
	t.Parallel()
	path, to := filepath.Join(t.TempDir(), "muster.db"), filepath.Join(t.TempDir(), "copy.db")
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	dispatch(t, s, "one")
	dispatch(t, s, "two")
	if err := store.Copy(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	want := logOf(t, s)
	dispatch(t, s, "three") // other processes may continue to use it
	c, err := store.Open(t.Context(), to, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if d := cmp.Diff(want, logOf(t, c)); d != "" {
		t.Errorf("the copy's log is another (-want +got):\n%s", d)
	}
	if diff, err := c.Rebuild(t.Context()); err != nil || len(diff) > 0 {
		t.Errorf("the copy's projections are not those of its log: %v %v", diff, err)
	}
}

// TestTheWayBackFromANewerFormat: a newer program has changed tables, added some, and written to them. Then it
// failed.
func TestTheWayBackFromANewerFormat(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dispatch(t, s, "one")
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error { // the supervisor has seen the first event
		tx.SetOffset("f", 17)
		_, err := tx.Append("", 0, event.SupervisorStarted{PID: 3})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if done, err := store.GoBack(t.Context(), path); done || err != nil {
		t.Errorf("went back from its own format: %v %v", done, err)
	}
	dispatch(t, s, "two")
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Append("t1", 0, event.StopRequested{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := logOf(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, `PRAGMA user_version = 900; ALTER TABLE tasks ADD COLUMN colour TEXT; DROP TABLE messages;
		CREATE TABLE sights (a TEXT PRIMARY KEY); CREATE VIEW seen AS SELECT a FROM sights; CREATE INDEX tasks_colour ON tasks (colour);
		UPDATE fleet SET doc = '{"stranger":1}'; UPDATE meta SET value = 'v9' WHERE key = 'migrated_by';`)
	if _, err := store.Open(t.Context(), path, store.Options{}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("a newer format is opened: %v", err)
	}
	if done, err := store.GoBack(t.Context(), path); !done || err != nil {
		t.Fatalf("GoBack = %v, %v", done, err)
	}
	if s, err = store.Open(t.Context(), path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if d := cmp.Diff(want, logOf(t, s)); d != "" {
		t.Errorf("the log is another (-want +got):\n%s", d)
	}
	if diff, err := s.Rebuild(t.Context()); err != nil || len(diff) > 0 {
		t.Errorf("projections are not those of the log: %v %v", diff, err)
	}
	if w, err = s.NewWriter(t.Context()); err != nil {
		t.Fatal(err)
	}
	var foreign []event.Kind
	births := false
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
		foreign, births = nil, tx.Births()
		for _, e := range tx.Foreign() {
			foreign = append(foreign, e.Kind())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(foreign) != 1 || foreign[0] != "stop.requested" || !births { // no request is handled twice
		t.Errorf("unseen events are %v (births %v), want the second dispatch and the stop", foreign, births)
	}
	if o, err := s.Offset(t.Context(), "f"); o != 17 || err != nil {
		t.Errorf("offset is %d, %v", o, err)
	}
}

func TestNoWayBackFromWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dispatch(t, s, "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, "PRAGMA user_version = 900; ALTER TABLE offsets RENAME COLUMN offset TO place")
	_, err = store.GoBack(t.Context(), path)
	refuses(t, err, fault.Failed, "format 5", "newer version")
	edit(t, path, "PRAGMA user_version = 5; ALTER TABLE offsets RENAME COLUMN place TO offset") // the original name
	if s, err = store.Open(t.Context(), path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if n := len(logOf(t, s)); n != 1 {
		t.Errorf("%d events are left", n)
	}
}
