package store_test

import (
	"database/sql"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/store/storetest"
)

var updateTestdata = flag.Bool("update", false, "write testdata anew; a released version is never written again")

// edit changes a database without the store.
func edit(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func dispatch(t testing.TB, s *store.Store, name string) (id event.TaskID) {
	t.Helper()
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		id = tx.NewTaskID()
		_, err := tx.Append(id, 0, event.DispatchRequested{Spec: event.Spec{Name: name}, Prompt: name})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// refuses checks that an error has its code and the texts that a person needs.
func refuses(t *testing.T, err error, code fault.Code, says ...string) {
	t.Helper()
	if !fault.Is(err, code) || fault.HintOf(err) == "" {
		t.Errorf("error %v (code %s, hint %q), want code %s and a hint", err, fault.CodeOf(err), fault.HintOf(err), code)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error()+fault.HintOf(err), s) {
			t.Errorf("error %q, hint %q: want it to name %q", err, fault.HintOf(err), s)
		}
	}
}

func TestFileOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := openAt(t, path, store.Options{})
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dispatch(t, s, "a")
	edit(t, path, "PRAGMA user_version = 900; UPDATE meta SET value = 'v9.1' WHERE key = 'migrated_by'")
	_, err = store.Open(t.Context(), path, store.Options{})
	refuses(t, err, fault.Conflict, path, "900", "v9.1")
	// A writer that already had it open must not write to it either.
	refuses(t, w.Update(t.Context(), false, func(*store.Tx) error { return nil }), fault.Conflict, "v9.1")
	refuses(t, s.Request(t.Context(), func(*store.Tx) error { return nil }), fault.Conflict, "v9.1")
}

func TestFileOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"of no version": "CREATE TABLE x (y)", "of its own version": "CREATE TABLE x (y); PRAGMA user_version = 1",
	} {
		path := newPath(t)
		edit(t, path, statement)
		_, err := store.Open(t.Context(), path, store.Options{})
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("a database %s: %v, want conflict", name, err)
		}
	}
}

func TestDamagedFileIsNamed(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), path, store.Options{})
	refuses(t, err, fault.Failed, path, "aside")
}

func TestDamagedPagesAreFound(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s, err := store.Open(t.Context(), path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		dispatch(t, s, strings.Repeat("x", 2000))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, info.Size()-8192), 8192)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(t.Context(), path, store.Options{})
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
		err = s.Verify(t.Context())
	}
	refuses(t, err, fault.Failed, path)
}

func TestWithoutAccessItSaysSo(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "no", "such", "dir", "muster.db"), store.Options{})
	refuses(t, err, fault.Failed, "no/such/dir")
	_, err = store.Open(t.Context(), newPath(t), store.Options{ReadOnly: true})
	refuses(t, err, fault.NotFound, "muster.db")
	_, err = store.Open(t.Context(), t.TempDir(), store.Options{})
	refuses(t, err, fault.Failed)
}

func TestFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := openAt(t, path, store.Options{})
	dispatch(t, s, "a")
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fill := func() { // as SQLite sees a full disk
		t.Helper()
		if err := store.LimitPages(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	big := func(tx *store.Tx) error {
		_, err := tx.Append(tx.NewTaskID(), 0, event.DispatchRequested{Prompt: strings.Repeat("x", 1<<20)})
		return err
	}
	fill()
	refuses(t, s.Request(t.Context(), big), fault.Failed, path, "full")
	fill() // the connection was closed
	refuses(t, w.Update(t.Context(), true, big), fault.Failed, "full")
	if seq, err := s.LastSeq(t.Context()); err != nil || seq != 1 {
		t.Errorf("last event %d (%v), want 1", seq, err)
	}
	whole(t, s)
}

func TestReadOnlyWritesNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	id := dispatch(t, openAt(t, path, store.Options{}), "a")
	s := openAt(t, path, store.Options{ReadOnly: true})
	if _, err := s.Task(t.Context(), id); err != nil {
		t.Errorf("task: %v", err)
	}
	if err := s.Request(t.Context(), func(*store.Tx) error { return nil }); !fault.Is(err, fault.Conflict) {
		t.Errorf("request: %v, want conflict", err)
	}
	if _, err := s.NewWriter(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("writer: %v, want conflict", err)
	}
	if _, err := s.Rebuild(t.Context()); !fault.Is(err, fault.Conflict) {
		t.Errorf("rebuild: %v, want conflict", err)
	}
}

func TestPathsWithStrangeCharacters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b%41?c=d#e&f ü", "muster.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	dispatch(t, openAt(t, path, store.Options{}), "a")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want a file of mode 0600", info, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	for _, f := range left {
		if !strings.HasPrefix(f.Name(), "muster.db") {
			t.Errorf("left behind: %s (%v)", f.Name(), err)
		}
	}
}

func TestRebuildNamesAndMendsWhatIsWrong(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := openAt(t, path, store.Options{})
	dispatch(t, s, "a")
	dispatch(t, s, "b")
	edit(t, path, `UPDATE tasks SET state = 'done' WHERE id = 't1'; DELETE FROM tasks WHERE id = 't2';
		INSERT INTO attempts (task, gen, attempt, why, conversation, resume, started_at) VALUES ('t1', 7, 1, '', '', 0, 0);
		UPDATE counts SET n = 7 WHERE state = 'queued'`)
	diff, err := s.Rebuild(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"tasks t1: wrong or missing", "tasks t2: wrong or missing", "tasks t1: wrong or not in the log",
		"attempts t1.7: wrong or not in the log", "counts queued: wrong or missing", "counts queued: wrong or not in the log",
	}
	if d := cmp.Diff(want, diff); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	whole(t, s)
	if text, err := s.Prompt(t.Context(), "t2"); err != nil || text != "b" {
		t.Errorf("prompt %q (%v), want b", text, err)
	}
}

// TestStoredVersions opens a database of every released format. Old ones are committed and never written again.
func TestStoredVersions(t *testing.T) {
	t.Parallel()
	newest := filepath.Join("testdata", "v1.db")
	if *updateTestdata {
		writeNewest(t, newest)
	}
	all, err := filepath.Glob(filepath.Join("testdata", "v*.db"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no stored databases: %v", err)
	}
	for _, stored := range all {
		path := newPath(t)
		copyFile(t, stored, path)
		s := openAt(t, path, store.Options{})
		task, err := s.Task(t.Context(), "t1")
		if err != nil || task.State != event.Done || task.Spec.Name != "first" || task.Published == nil {
			t.Errorf("%s: task %+v (%v)", stored, task, err)
		}
		if text, err := s.MessageText(t.Context(), "t1", "m1"); err != nil || text != "go on" {
			t.Errorf("%s: message %q (%v)", stored, text, err)
		}
		if f, err := s.Fleet(t.Context()); err != nil || f.Gate != "disk" {
			t.Errorf("%s: fleet %+v (%v)", stored, f, err)
		}
		dispatch(t, s, "new")
		if err := s.Verify(t.Context()); err != nil {
			t.Errorf("%s: %v", stored, err)
		}
	}
}

func writeNewest(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	clock := storetest.NewClock()
	s, err := store.Open(t.Context(), path, store.Options{Now: clock.Now, Version: "v0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	dispatch(t, s, "first")
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		for _, p := range []event.Payload{
			event.WorktreeReady{Path: "/w", Branch: "muster/t1-first", Base: "abc"},
			event.GenerationStarted{Attempt: 1, Why: event.WhyFirst},
			event.AgentLaunched{Process: event.ProcessRef{PID: 4, Start: 5}, Session: "t1-first"},
			event.SendRequested{Message: "m1", Text: "go on"},
			event.AgentExited{Cause: event.CauseEnded, Known: true},
			event.RoundFinished{Round: 1, Tree: "t", Changed: true},
			event.WorkPublished{Mode: event.PublishBranch, Commit: "def"},
			event.TaskMoved{From: event.Queued, To: event.Done, Rule: "r"},
		} {
			if _, err := tx.Append("t1", 1, p); err != nil {
				return err
			}
		}
		_, err := tx.Append("", 0, event.GateClosed{Reason: "disk"})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // the last Close copies the write-ahead log into the file
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, in.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFileAndMemoryAgree writes the same random history to both logs and compares everything that they return.
func TestFileAndMemoryAgree(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	file := openAt(t, newPath(t), store.Options{Now: clock.Now})
	memory := storetest.OpenMemory(clock.Now)
	rapid.Check(t, func(r *rapid.T) {
		clock.Advance(time.Minute)
		var first int64
		err := file.Request(t.Context(), func(tx *store.Tx) error {
			first = tx.Seq()
			return storetest.RandomEvents(r, tx)
		})
		if err != nil {
			return
		}
		if err := memory.Request(t.Context(), func(tx *store.Tx) error {
			for e, err := range file.Events(t.Context(), store.EventFilter{After: first}) {
				if err != nil {
					return err
				}
				if _, err := tx.Append(e.Task, e.Gen, e.Data); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(everything(t, memory), everything(t, file)); d != "" {
			r.Fatalf("they differ (-memory +file):\n%s", d)
		}
	})
}

// everything returns all read models of a log.
func everything(t *testing.T, l storetest.Log) (out []any) {
	t.Helper()
	ctx := t.Context()
	add := func(v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	add(l.LastSeq(ctx))
	add(l.Fleet(ctx))
	add(l.Counts(ctx))
	add(l.FindByName(ctx, ""))
	list, err := l.List(ctx, store.ListFilter{All: true})
	add(list, err)
	for _, s := range list[max(0, len(list)-5):] {
		add(l.Prompt(ctx, s.ID))
		add(l.Attempts(ctx, s.ID))
		add(l.Messages(ctx, s.ID))
		add(l.Rounds(ctx, s.ID))
		task, err := l.Task(ctx, s.ID)
		add(store.Summarize(task), err)
	}
	return out
}

func TestSummaryHasTheNamesOfTheContract(t *testing.T) {
	t.Parallel()
	s := openAt(t, newPath(t), store.Options{Now: storetest.NewClock().Now})
	dispatch(t, s, "a")
	all, err := s.ListJSON(t.Context(), store.ListFilter{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"t1","name":"a","state":"queued","reason":"","detail":"","note":"","summary":"","agent":"","account":"","until":null,"repo":"","base":"",` +
		`"base_commit":"","branch":"","worktree":"","session":"","attempt":0,"gen":0,"rounds":0,"priority":0,"after":[],"slot":false,` +
		`"usage":{"input_tokens":0,"output_tokens":0,"cost_usd":0},"queued_at":"2026-11-24T06:00:00Z","started_at":null,` +
		`"changed_at":"2026-11-24T06:00:00Z","finished_at":null,"deadline":null,"request":null,"messages_open":0,"published":"","pr_url":""}`
	if d := cmp.Diff(want, string(all[0])); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	full := store.Summarize(life.Task{
		Request:   &event.RequestOpened{Request: "q1", Reason: event.WaitQuestion, Options: []string{"a"}},
		Published: &event.WorkPublished{Commit: "c", URL: "https://x/1"},
		Deadlines: []life.Deadline{{Name: "b", At: time.Unix(9, 0)}, {Name: "a", At: time.Unix(5, 0)}},
		Messages:  []life.Message{{State: event.MessageWaiting}, {State: event.MessageSending}, {State: event.MessageUnknown}},
	})
	if full.Request.ID != "q1" || full.Published != "c" || full.PRURL != "https://x/1" || full.Deadline.Name != "a" || full.MessagesOpen != 2 {
		t.Errorf("summary %+v", full)
	}
}
