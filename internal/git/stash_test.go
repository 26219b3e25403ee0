package git

import (
	"testing"
)

func TestWatchStashKeepsEntriesThatVanish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const mark, under = "refs/muster/round/x/t1/stash", "refs/muster/stash/t1"
	watch := func() []StashEntry {
		t.Helper()
		gone, err := w.r.WatchStash(t.Context(), mark, under)
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	push := func(content string) string {
		t.Helper()
		w.write(w.repo, "a.txt", content)
		w.git(w.repo, "stash", "push", "-q", "-m", content)
		return w.head("refs/stash")
	}
	wt := w.prepare("t1")
	if gone := watch(); len(gone) != 0 {
		t.Fatalf("without a stash: %+v", gone)
	}
	first, second := push("first"), push("second")
	if gone := watch(); len(gone) != 0 {
		t.Fatalf("what is new: %+v", gone)
	}
	w.git(wt.Path, "stash", "pop", "-q") // the agent takes the person's
	third := push("third")
	gone := watch()
	if len(gone) != 1 || gone[0].Commit != second || gone[0].Subject != "On main: second" || w.head(gone[0].Ref) != second {
		t.Fatalf("after pop: %+v, want %s", gone, second)
	}
	if again := watch(); len(again) != 0 {
		t.Errorf("a second look: %+v", again)
	}
	w.git(w.repo, "stash", "clear")
	w.git(w.repo, "-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now")
	gone = watch()
	if len(gone) != 2 || gone[0].Commit != third || gone[1].Commit != first {
		t.Fatalf("after clear and gc: %+v, want %s and %s", gone, third, first)
	}
	w.git(w.repo, "stash", "apply", "-q", gone[1].Ref)
	if got := w.read(w.repo, "a.txt"); got != "first" {
		t.Errorf("the kept entry brings back %q", got)
	}
	if _, err := w.tryGit(w.repo, "rev-parse", "--verify", "-q", mark); err == nil {
		t.Error("a mark is left though there is no stash")
	}
	if gone := watch(); len(gone) != 0 {
		t.Errorf("at the end: %+v", gone)
	}
}
