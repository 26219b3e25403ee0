package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"muster/internal/event"
)

// tree returns the paths below a directory with their sizes and kinds.
func tree(t *testing.T, dir string) (out []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir {
			out = append(out, d.Type().String()+strings.TrimPrefix(path, dir))
		}
		return err
	}))
	return out
}

func TestBox_HasOneDirectionForEachDirectory(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	must(t, b.WriteChecks([]event.Check{{Name: "test"}}, CheckEnv{}))
	must(t, b.Put(Message{"m1", "one"}))
	must(t, b.Answer(Answer{Request: "q1", Decision: Deny}))
	ro, rw := tree(t, b.gen().RO()), tree(t, b.gen().RW())
	// What the agent's side does.
	must(t, b.Ask("q2", event.NewAsk("Bash", []byte(`{}`))))
	must(t, b.Take("m1"))
	release, err := b.Waiter(true)
	must(t, err)
	release()
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	if _, err := b.Await(ctx, "q2"); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("Await gave %v", err)
	}
	if got := tree(t, b.gen().RO()); !slices.Equal(got, ro) {
		t.Errorf("the agent's side changed what the supervisor writes:\n%q, want\n%q", got, ro)
	}
	// What the supervisor does then.
	must(t, b.Return("m1"))
	must(t, b.Take("m1"))
	must(t, b.Done("m1"))
	must(t, b.Answer(Answer{Request: "q2", Decision: Allow}))
	for _, path := range tree(t, b.gen().RW()) {
		if name := filepath.Base(path); !slices.Contains(rw, path) && !strings.HasPrefix(name, "q2.") && !strings.HasPrefix(name, "waiter") {
			t.Errorf("%s is left", path)
		}
	}
	if top, err := os.ReadDir(b.Dir); err != nil || len(top) != 2 {
		t.Errorf("the generation's directory has %v (%v), want ro and rw", top, err)
	}
}

// TestBox_OfAnOlderVersionUsesItsPlaces checks the names that hooks of an older version use: those of an agent that was
// started before an upgrade.
func TestBox_OfAnOlderVersionUsesItsPlaces(t *testing.T) {
	t.Parallel()
	b := Box{Dir: filepath.Join(t.TempDir(), "t1.1"), Shared: true}
	must(t, b.Create())
	must(t, b.Put(Message{"m1", "one"}))
	must(t, b.Put(Message{"m2", "two"}))
	must(t, b.Ask("q1", event.NewAsk("Bash", []byte(`{}`))))
	must(t, b.Answer(Answer{Request: "q1", Decision: Deny, Gen: 3}))
	must(t, b.WriteChecks(nil, CheckEnv{}))
	want := []string{
		"d---------/answers", "----------/answers/q1.ask", "----------/answers/q1.json", "p---------/bell", "----------/checks.json",
		"d---------/inbox", "----------/inbox/m1.msg", "----------/inbox/m2.msg",
	}
	if got := tree(t, b.Dir); !slices.Equal(got, want) {
		t.Errorf("files:\n%q, want\n%q", got, want)
	}
	must(t, os.Rename(filepath.Join(b.Dir, "inbox/m1.msg"), filepath.Join(b.Dir, "inbox/m1.taken"))) // as such a hook takes it
	if taken, err := b.IsTaken("m1"); err != nil || !taken {
		t.Errorf("m1 is not taken (%v)", err)
	}
	must(t, b.Put(Message{"m1", "one"}))
	if waits, err := b.Waits("m1"); err != nil || waits {
		t.Errorf("m1 was taken and waits (%v)", err)
	}
	must(t, b.Return("m1"))
	must(t, b.Return("m1"))
	if got, err := b.Waiting(); err != nil || len(got) != 2 {
		t.Errorf("waiting are %v (%v)", got, err)
	}
	must(t, b.Take("m2"))
	must(t, b.Done("m1"))
	must(t, b.Done("m2"))
	if err := b.Return("m2"); !errors.Is(err, ErrNotWaiting) {
		t.Errorf("Return after Done gave %v", err)
	}
	// The answer as that version stored it: the same action again must not be refused.
	raw, err := json.Marshal(Answer{Request: "q2", Decision: Deny, Text: "no"})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(b.Dir, "answers/q2.json"), raw, 0o600))
	must(t, b.Answer(Answer{Request: "q2", Decision: Deny, Text: "no", Gen: 3}))
}

// hostile are the things that an agent can do to the directory that it may write.
var hostile = map[string]func(t *testing.T, b Box, elsewhere string){
	"rw is a link": func(t *testing.T, b Box, elsewhere string) {
		t.Helper()
		must(t, os.Rename(b.gen().RW(), b.gen().RW()+".away"))
		must(t, os.Symlink(elsewhere, b.gen().RW()))
	},
	"out is a link": func(t *testing.T, b Box, elsewhere string) {
		t.Helper()
		must(t, os.RemoveAll(b.rw(b.requests())))
		must(t, os.Symlink(elsewhere, b.rw(b.requests())))
	},
	"out is a link to what the supervisor writes": func(t *testing.T, b Box, _ string) {
		t.Helper()
		must(t, os.RemoveAll(b.rw(b.requests())))
		must(t, os.Symlink("../ro/in", b.rw(b.requests())))
	},
	"out is a file": func(t *testing.T, b Box, _ string) {
		t.Helper()
		must(t, os.RemoveAll(b.rw(b.requests())))
		must(t, os.WriteFile(b.rw(b.requests()), nil, 0o600))
	},
	"all is gone": func(t *testing.T, b Box, _ string) { t.Helper(); must(t, os.RemoveAll(b.gen().RW())) },
	"files are links": func(t *testing.T, b Box, elsewhere string) {
		t.Helper()
		for _, name := range []string{"q1.ask", "q1.bell", "m1.taken"} {
			path := b.rw(b.requests(), name)
			must(t, os.RemoveAll(path))
			must(t, os.Symlink(filepath.Join(elsewhere, name), path))
		}
	},
	"files are pipes": func(t *testing.T, b Box, _ string) {
		t.Helper()
		for _, name := range []string{"q1.ask", "m1.taken"} {
			must(t, os.RemoveAll(b.rw(b.requests(), name)))
			must(t, unix.Mkfifo(b.rw(b.requests(), name), 0o600))
		}
	},
	"pipes are files": func(t *testing.T, b Box, _ string) {
		t.Helper()
		must(t, os.WriteFile(b.rw(b.requests(), "q1.bell"), nil, 0o600))
	},
	"out is full of files": func(t *testing.T, b Box, _ string) {
		t.Helper()
		for i := range 2000 {
			must(t, os.WriteFile(b.rw(b.requests(), "x"+strconv.Itoa(i)), bytes.Repeat([]byte("x"), 100), 0o600))
		}
		must(t, os.Truncate(b.rw(b.requests(), "x0"), maxRequest+1))
		must(t, os.Rename(b.rw(b.requests(), "x0"), b.rw(b.requests(), "q1.ask")))
	},
}

// TestBox_BearsWhateverTheAgentMakesOfItsDirectory checks that the supervisor neither blocks nor fails, and that it reads,
// writes and removes nothing outside of the generation's directory.
func TestBox_BearsWhateverTheAgentMakesOfItsDirectory(t *testing.T) {
	t.Parallel()
	for name, spoil := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, elsewhere := newBox(t), t.TempDir()
			secret := []byte(`{"input":"a secret","hash":"x"}`)
			for _, name := range []string{"q1.ask", "m1.taken", "m2.taken"} {
				must(t, os.MkdirAll(filepath.Join(elsewhere, "out"), 0o700))
				must(t, os.WriteFile(filepath.Join(elsewhere, name), secret, 0o600))
				must(t, os.WriteFile(filepath.Join(elsewhere, "out", name), secret, 0o600))
			}
			for _, dir := range []string{"", "out"} {
				must(t, unix.Mkfifo(filepath.Join(elsewhere, dir, "q1.bell"), 0o600))
				must(t, unix.Mkfifo(filepath.Join(elsewhere, dir, "bell"), 0o600))
			}
			bells := make([]pipe, 0, 2)
			for _, path := range []string{"bell", "q1.bell"} { // with a listener, so that a ring would stay in it
				p, err := openPipe(filepath.Join(elsewhere, path))
				must(t, err)
				defer p.close()
				bells = append(bells, p)
			}
			before := tree(t, elsewhere)
			must(t, b.Put(Message{"m1", "one"}))
			spoil(t, b, elsewhere)
			if ask, err := b.Asked("q1", "Bash"); ask.Input != "" {
				t.Errorf("read %+v (%v)", ask, err)
			}
			if taken, err := b.IsTaken("m1"); taken || err != nil {
				t.Errorf("m1 is taken: %v (%v)", taken, err)
			}
			must(t, b.Put(Message{"m2", "two"}))
			must(t, b.Ring())
			must(t, b.Answer(Answer{Request: "q1", Decision: Deny}))
			must(t, b.Return("m1"))
			must(t, b.Done("m1"))
			if waits, err := b.Waits("m2"); err != nil || !waits {
				t.Errorf("m2 waits: %v (%v)", waits, err)
			}
			if after := tree(t, elsewhere); !slices.Equal(after, before) {
				t.Errorf("outside of the generation there is\n%q, want\n%q", after, before)
			}
			for _, p := range bells {
				var one [1]byte
				if n, err := unix.Read(p.r, one[:]); n > 0 || !errors.Is(err, unix.EAGAIN) {
					t.Errorf("a pipe outside of the generation was rung (%d, %v)", n, err)
				}
			}
		})
	}
}
