package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/event"
	"muster/internal/home"
)

// older moves the files of a running generation to the places of a version that had one directory for both sides.
func (f *Fleet) older(id event.TaskID, gen int) (old string) {
	f.t.Helper()
	h := home.Dir(f.home)
	files, old := h.NewGen(id, gen), h.OldGenDir(id, gen)
	for _, dir := range []string{old, old + "/inbox", old + "/answers"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			f.t.Fatal(err)
		}
	}
	for _, from := range []string{files.RO(), files.RW()} {
		entries, err := os.ReadDir(from)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() == "in" || e.Name() == "out" {
				continue
			}
			if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(old, e.Name())); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(files.Dir); err != nil {
		f.t.Fatal(err)
	}
	return old
}

// TestAdoptAnAgentOfAVersionWithOneMailbox checks that an agent which an older version started is asked, answered and judged
// in its own places until its generation ends, and that the next generation has the new ones.
func TestAdoptAnAgentOfAVersionWithOneMailbox(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("mark here\nawait-file go-on\nask question \"Which?\" left|right\nappend a.txt one\nmark asked\nawait-file end\nappend a.txt two\ndone", "--check", twoLines)
	f.marks(id, "here")
	first := f.agents([]event.TaskID{id})
	old := ""
	f.unattended(func() { old = f.older(id, 1) })
	f.release(id, "go-on")
	got := f.reaches(id, event.Waiting)
	if ask := got.Request.Ask; ask == nil || ask.Cut || len(ask.Questions) != 1 {
		t.Errorf("the request is %+v", got.Request)
	}
	f.must("answer", string(id), "2")
	f.marks(id, "asked")
	if found, err := filepath.Glob(old + "/answers/*.json"); err != nil || len(found) != 1 {
		t.Errorf("answers in the old place: %v (%v)", found, err)
	}
	if _, err := os.Lstat(home.Dir(f.home).NewGen(id, 1).Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the running generation got a second place (%v)", err)
	}
	if !runs(first[0], "sim") {
		t.Error("the agent is gone")
	}
	f.kill(first[0])
	f.release(id, "end")
	if got := f.reaches(id, event.Done); got.Gen != 2 {
		t.Errorf("generation %d, want 2", got.Gen)
	}
	if g := home.Dir(f.home).Gen(id, 2); g.Shared || g != home.Dir(f.home).NewGen(id, 2) {
		t.Errorf("the next generation lies in %+v", g)
	}
	f.must("rm", string(id), "--force")
	for _, path := range []string{old, home.Dir(f.home).NewGen(id, 2).Dir} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left (%v)", path, err)
		}
	}
}
