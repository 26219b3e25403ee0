package proof

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/testkit/proc"
)

// order is what a process of these tests does.
type order struct {
	Policy fence.Policy
	Argv   []string
	Env    []string
}

func TestMain(m *testing.M) {
	proc.Main(m, map[string]func(string) int{
		"fenced": func(text string) int {
			var o order
			err := json.Unmarshal([]byte(text), &o)
			if err == nil {
				var f *fence.Fence
				if f, err = fence.Prepare(o.Policy); err == nil {
					err = f.Exec(o.Argv[0], o.Argv, o.Env)
				}
			}
			fmt.Println(err)
			return 1
		},
		"hook": func(dir string) int {
			fmt.Println(believed(home.Dir(dir)))
			return 0
		},
	})
}

// believed returns what a hook believes of the forged files in a mailbox.
func believed(h home.Dir) string {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	box := Box(h, "t1", 2)
	answer, err := box.Await(ctx, "q1")
	messages, listErr := box.Waiting()
	took := box.Take("m1")
	granted := Log{Home: h, Task: "t1", Gen: 2}.Granted(event.NewAsk("Bash", nil).Hash)
	return fmt.Sprint("answer ", err == nil && answer.Decision == mail.Allow, ", messages ", len(messages), " ", listErr, ", took ", took == nil, ", granted ", granted)
}

// forged returns a state directory with a log, and with an answer and a message that the log does not have.
func forged(t *testing.T) home.Dir {
	t.Helper()
	real, _ := fence.Real(t.TempDir())
	h := home.Dir(real)
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	box := mail.Of(h.NewGen("t1", 2))
	if err := box.Create(); err != nil {
		t.Fatal(err)
	}
	prooftest.Send(t, h, "t1", 2, mail.Message{ID: "m9", Text: "another"})
	if err := box.Put(mail.Message{ID: "m1", Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if err := box.Answer(mail.Answer{Request: "q1", Decision: mail.Allow, Gen: 2}); err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	nothing    = "answer false, messages 0 <nil>, took true, granted false\n"
	everything = "answer true, messages 1 <nil>, took true, granted true\n"
)

// inFence runs a hook within a fence that grants what a launch does, changed by change.
func inFence(t *testing.T, h home.Dir, change func(*fence.Policy)) string {
	t.Helper()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	exe, _ := fence.Real(os.Args[0])
	p := fence.System()
	p.Read = append(p.Read, exe, h.NewGen("t1", 2).RO())
	p.Write = append(p.Write, h.NewGen("t1", 2).RW())
	change(&p)
	raw, err := json.Marshal(order{Policy: p, Argv: []string{exe, string(h)}, Env: []string{proc.RoleVar + "=hook", "PATH=/usr/bin:/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	_, out := proc.Finish(t, proc.Role("fenced", string(raw)))
	return out
}

func TestBox_BelievesTheDirectoryWhereAFenceKeepsTheAgentFromIt(t *testing.T) {
	t.Parallel()
	if got := inFence(t, forged(t), func(*fence.Policy) {}); got != everything {
		t.Errorf("inside: %s", got)
	}
}

// TestBox_BelievesOnlyTheLogWhereTheAgentCouldWrite checks what looks like a fence and is none.
func TestBox_BelievesOnlyTheLogWhereTheAgentCouldWrite(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(home.Dir, *fence.Policy){
		"a fence that grants the directory of answers": func(h home.Dir, p *fence.Policy) { p.Write = append(p.Write, h.NewGen("t1", 2).RO()) },
		"a fence that grants the state directory":      func(h home.Dir, p *fence.Policy) { p.Write = append(p.Write, string(h)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := forged(t)
			if got := inFence(t, h, func(p *fence.Policy) { change(h, p) }); got != nothing {
				t.Errorf("inside: %s", got)
			}
		})
	}
	for name, spoil := range map[string]func(home.Dir) error{
		"as it is":            func(home.Dir) error { return nil },
		"no log":              func(h home.Dir) error { return os.Remove(h.DB()) },
		"an unreadable log":   func(h home.Dir) error { return os.Chmod(h.DB(), 0) },
		"a log that is none":  func(h home.Dir) error { return os.WriteFile(h.DB(), []byte("x"), 0o600) },
		"an unwritable inbox": func(h home.Dir) error { return readOnly(h) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := forged(t)
			in := filepath.Join(h.NewGen("t1", 2).RO(), "in")
			t.Cleanup(func() { _ = os.Chmod(in, 0o700) }) //nolint:gosec // a directory, so that it can be removed
			if err := spoil(h); err != nil {
				t.Fatal(err)
			}
			if got := believed(h) + "\n"; got != nothing {
				t.Errorf("got %s", got)
			}
		})
	}
}

// readOnly takes this user's permissions from the log and from the directory of answers, as a process of the agent can.
func readOnly(h home.Dir) error {
	if err := os.Chmod(h.DB(), 0); err != nil {
		return err
	}
	return os.Chmod(filepath.Join(h.NewGen("t1", 2).RO(), "in"), 0o500) //nolint:gosec // a directory
}

func TestLog_ReadsALogOfANewerFormat(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	a := mail.Answer{Request: "q1", Decision: mail.Allow, Hash: "x", Gen: 2}
	prooftest.Intend(t, h, "t1", 2, a)
	prooftest.NewerFormat(t, h)
	if !(Log{Home: h, Task: "t1", Gen: 2}).Answered(a) {
		t.Error("the hook of an older version does not find the answer in a log that was migrated since")
	}
	a.Text = "other"
	if (Log{Home: h, Task: "t1", Gen: 2}).Answered(a) {
		t.Error("an answer that was not given counts")
	}
}
