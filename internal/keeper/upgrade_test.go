package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/lock"
	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// kept makes a directory with a keeper whose supervisor runs. marks are further files in it, such as those that
// clockOf reads.
func kept(t *testing.T, marks ...string) (dir, old string) {
	t.Helper()
	dir = t.TempDir()
	for _, f := range append(marks, "slow") { // on a busy machine, a program on trial needs time to start
		files.Write(t, world(dir, f), "")
	}
	proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	return dir, filepath.Base(os.Args[0])
}

// other links the test's program under another name, by which it plays another supervisor.
func other(t *testing.T, dir, name string) string {
	t.Helper()
	path := world(dir, name)
	if err := os.Symlink(os.Args[0], path); err != nil {
		t.Fatal(err)
	}
	return path
}

func ask(t *testing.T, dir, id, program string) bool {
	t.Helper()
	called, err := Ask(world(dir, "upgrade"), world(dir, "keeper.lock"), Request{ID: id, Program: program})
	if err != nil {
		t.Fatal(err)
	}
	return called
}

// outcome waits for the outcome of a request.
func outcome(t *testing.T, dir, id string) (o Outcome) {
	t.Helper()
	await.Until(t, "the upgrade has an outcome", func() (ok bool) {
		o, ok = ReadOutcome(world(dir, "outcome"), id)
		return ok
	})
	await.Until(t, "the request is gone", func() bool { return !there(dir, "upgrade") })
	return o
}

// runs waits until the n-th supervisor runs, and returns the names of all that were started.
func runs(t *testing.T, dir string, n int) []string {
	t.Helper()
	await.Until(t, "the next supervisor runs", func() bool { return len(strings.Fields(files.Read(t, world(dir, "staying")))) >= n })
	var names []string
	for line := range strings.Lines(files.Read(t, world(dir, "kept"))) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}

func TestKeeperGoesOverToAnotherProgram(t *testing.T) {
	t.Parallel()
	dir, old := kept(t, "wall")
	next := other(t, dir, "next")
	if !ask(t, dir, "one", next) {
		t.Fatal("no keeper was found")
	}
	o := outcome(t, dir, "one")
	if o.Why != "" || o.To != next || filepath.Base(o.From) != old || o.Away <= 0 {
		t.Errorf("outcome %+v", o)
	}
	if got := files.Read(t, world(dir, "adopted")); got != next+"\n" {
		t.Errorf("adopted %q", got)
	}
	if got := runs(t, dir, 2); got[1] != "next" || !strings.Contains(files.Read(t, world(dir, "kept")), "next: "+old+" > next \n") {
		t.Errorf("supervisors were %q", files.Read(t, world(dir, "kept")))
	}
	if !strings.Contains(files.Read(t, world(dir, "log")), "bye") {
		t.Error("the old one was not ended in good order")
	}
	// From now on the keeper restarts the new program.
	if err := proc.Identify(t, pids(t, dir)[1]).Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := runs(t, dir, 3); got[2] != "next" || !strings.HasSuffix(files.Read(t, world(dir, "kept")), "next:  >  \n") {
		t.Errorf("supervisors were %q", files.Read(t, world(dir, "kept")))
	}
	if there(dir, "put-back") {
		t.Error("the state was put back")
	}
}

func TestKeeperGoesBackFromAProgramThatQuits(t *testing.T) {
	t.Parallel()
	dir, old := kept(t)
	ask(t, dir, "one", other(t, dir, "quits"))
	o := outcome(t, dir, "one")
	if !strings.Contains(o.Why, "not ready: ") || !strings.Contains(o.Why, "exit status 1") {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 2); got[len(got)-1] != old || !strings.Contains(files.Read(t, world(dir, "kept")), old+": "+old+" > quits "+o.Why) {
		t.Errorf("supervisors were %q", files.Read(t, world(dir, "kept")))
	}
	if there(dir, "adopted") || files.Read(t, world(dir, "put-back")) != "yes\n" {
		t.Errorf("adopted: %v, put back %q", there(dir, "adopted"), files.Read(t, world(dir, "put-back")))
	}
}

func TestKeeperGoesBackFromAProgramThatHangs(t *testing.T) {
	t.Parallel()
	dir, old := kept(t)
	ask(t, dir, "one", other(t, dir, "hangs"))
	if o := outcome(t, dir, "one"); !strings.Contains(o.Why, errLate.Error()) {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 3); len(got) != 3 || got[1] != "hangs" || got[2] != old || proc.Identify(t, pids(t, dir)[1]).Alive() {
		t.Errorf("supervisors were %q", got)
	}
}

func TestKeeperGoesBackFromAProgramThatIsNone(t *testing.T) {
	t.Parallel()
	dir, old := kept(t)
	ask(t, dir, "one", world(dir, "nothing"))
	if o := outcome(t, dir, "one"); !strings.Contains(o.Why, "no such file") {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 2); got[len(got)-1] != old {
		t.Errorf("supervisors were %q", got)
	}
}

func TestAnUpgradeOutlivesItsKeeperButNotTwice(t *testing.T) {
	t.Parallel()
	dir, old := kept(t, "wall")
	ask(t, dir, "one", other(t, dir, "hangs"))
	for n := 2; n <= 3; n++ {
		if got := runs(t, dir, n); got[n-1] != "hangs" {
			t.Fatalf("supervisors were %q", got)
		}
		if _, err := Ask(world(dir, "upgrade"), world(dir, "keeper.lock"), Request{ID: "two", Program: "/x"}); !fault.Is(err, fault.Conflict) {
			t.Errorf("a second upgrade at the same time: %v", err)
		}
		pid, _ := lock.Holder(world(dir, "keeper.lock"))
		keeper, supervisor := proc.Identify(t, strconv.Itoa(pid)), proc.Identify(t, pids(t, dir)[n-1])
		if err := keeper.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = supervisor.Signal(syscall.SIGKILL) // for systems whose kernel does not end the child with its parent
		await.Until(t, "both are gone", func() bool { return !keeper.Alive() && !supervisor.Alive() })
		proc.Start(t, proc.Role("keep", dir))
	}
	if o := outcome(t, dir, "one"); !strings.Contains(o.Why, "ended 2 times") {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 4); got[3] != old {
		t.Errorf("supervisors were %q", got)
	}
}

func TestARequestWaitsForAKeeper(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "wall"), "")
	if ask(t, dir, "one", other(t, dir, "next")) {
		t.Error("a keeper was found where there is none")
	}
	proc.Start(t, proc.Role("keep", dir))
	if o := outcome(t, dir, "one"); o.Why != "" || o.Away != 0 {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 1); len(got) != 1 || got[0] != "next" {
		t.Errorf("supervisors were %q", got)
	}
}

func TestARequestIsForTheProgramThatItWasMadeFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Ask(world(dir, "upgrade"), world(dir, "keeper.lock"),
		Request{ID: "one", From: "older", Program: other(t, dir, "next")}); err != nil {
		t.Fatal(err)
	}
	proc.Start(t, proc.Role("keep", dir))
	if o := outcome(t, dir, "one"); !strings.Contains(o.Why, "another program") {
		t.Errorf("outcome %+v", o)
	}
	if got := runs(t, dir, 1); got[0] != filepath.Base(os.Args[0]) {
		t.Errorf("supervisors were %q", got)
	}
}

func TestAFleetThatGoesDownInATrialKeepsItsProgram(t *testing.T) {
	t.Parallel()
	dir, _ := kept(t, "wall")
	ask(t, dir, "one", other(t, dir, "hangs"))
	runs(t, dir, 2)
	pid, _ := lock.Holder(world(dir, "keeper.lock"))
	files.Write(t, world(dir, "down"), "")
	if err := proc.Identify(t, pids(t, dir)[1]).Signal(syscall.SIGTERM); err != nil { // ends with status 0
		t.Fatal(err)
	}
	if o := outcome(t, dir, "one"); !strings.Contains(o.Why, errDown.Error()) {
		t.Errorf("outcome %+v", o)
	}
	keeper := proc.Identify(t, strconv.Itoa(pid))
	await.Until(t, "the keeper has ended", func() bool { return !keeper.Alive() })
	if there(dir, "adopted") || len(pids(t, dir)) != 2 {
		t.Errorf("adopted: %v, supervisors %q", there(dir, "adopted"), pids(t, dir))
	}
}

func TestAWordOfNoKeeperIsNone(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "{", "[]"} {
		k, voice := ReadHandoff(func(string) string { return v })
		voice.Ready()
		if k != (Handoff{Since: time.Time{}}) {
			t.Errorf("ReadHandoff(%q) = %+v", v, k)
		}
	}
}
