package launch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fault/faulttest"
	"muster/internal/lock"
	"muster/internal/scarce"
	"muster/internal/spec"
	"muster/internal/status"
	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

func TestSpecKeepsEveryByte(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	a.Argv = []string{"x", "", "a\nb", "caf\xe9", "\xff\xfe", "<&>\u2028", `{"base64":"eA=="}`}
	a.Env = append(a.Env, "L=\xe9\xe8", "EMPTY=", "ODD")
	got, err := Read(a.write(t))
	if err != nil {
		t.Fatal(err)
	}
	want := a.Spec
	want.V = spec.Version
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	st, err := os.Stat(a.path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestReadRefusesWhatIsNotOursAlone(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	a.write(t)
	good := files.Read(t, a.path)
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		if err := os.Chmod(a.path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Read(a.path)
		faulttest.Want(t, err, fault.Conflict, "open to others", fmt.Sprintf("%04o", mode))
	}
	other := func(name, text string) string { return files.Write(t, filepath.Join(a.Dir, name), text) }
	_, err := Read(other("v", strings.Replace(good, `"v":1`, `"v":2`, 1)))
	faulttest.Want(t, err, fault.Conflict, "version 2", "reads 1")
	_, err = Read(other("none", "{}"))
	faulttest.Want(t, err, fault.Conflict, "version 0")
	_, err = Read(other("big", good+strings.Repeat(" ", spec.MaxSize)))
	faulttest.Want(t, err, fault.Usage, "too large")
	_, err = Read(other("torn", good[:len(good)/2]))
	faulttest.Want(t, err, fault.Failed, "torn")
	_, err = Read(filepath.Join(a.Dir, "missing"))
	faulttest.Want(t, err, fault.NotFound)
	link := filepath.Join(a.Dir, "link")
	if err := os.Symlink("v", link); err != nil {
		t.Fatal(err)
	}
	_, err = Read(link)
	faulttest.Want(t, err, fault.Failed)
	fifo := filepath.Join(a.Dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Read(fifo)
	faulttest.Want(t, err, fault.Conflict, "regular")
	if os.Geteuid() == 0 {
		theirs := other("theirs", good)
		if err := os.Chown(theirs, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		_, err = Read(theirs)
		faulttest.Want(t, err, fault.Conflict, "user 12345")
	}
	var job struct{}
	if err := spec.Read(a.path, spec.Job, &job); err == nil {
		t.Error("the spec of an agent was read as a job")
	}
}

func TestRun_JobWhoseLockIsHeldEndsWithTempFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	job := check.Job{
		Task: event.NewTaskID(3), Gen: 1, Name: "round 1", Dir: dir, Lock: filepath.Join(dir, "check"), Out: filepath.Join(dir, "out"),
		Steps: []check.Step{{Name: "one", Run: "true"}},
	}
	path := filepath.Join(dir, "job.json")
	if err := check.Write(path, job); err != nil {
		t.Fatal(err)
	}
	held, err := lock.Take(job.Lock)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close() //nolint:errcheck // releases it
	if code, said := proc.Finish(t, proc.Role("launch", path)); code != scarce.HeldExitStatus || !strings.Contains(said, "lock is held") {
		t.Errorf("exit %d, said %q", code, said)
	}
}

func TestWriteRefusesWhatCannotRun(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Spec){
		"no program":     func(s *Spec) { s.Argv = nil },
		"not absolute":   func(s *Spec) { s.Dir = "x" },
		"status file is": func(s *Spec) { s.StatusFile = "x" },
		"NUL":            func(s *Spec) { s.Env = append(s.Env, "A=b\x00c") },
		"too large":      func(s *Spec) { s.Argv = append(s.Argv, strings.Repeat("x", spec.MaxSize)) },
	} {
		a := newAgent(t, "true")
		change(&a.Spec)
		faulttest.Want(t, Write(a.path, a.Spec), fault.Usage, name)
		if _, err := os.Stat(a.path); err == nil {
			t.Errorf("%s: written all the same", name)
		}
	}
}

func TestExecBecomesTheAgent(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `env > "$OUT"; { pwd; umask; ulimit -n; echo $$; } >> "$OUT"; echo hello`)
	a.NoFile, a.Umask, a.Remove = 77, 0o027, true
	cmd := proc.Role("launch", a.write(t))
	code, said := proc.Finish(t, cmd)
	if code != 0 || said != "hello\n" {
		t.Fatalf("exit %d, said %q", code, said)
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	got := strings.Split(strings.TrimSpace(a.out(t)), "\n")
	last := got[len(got)-4:]
	if want := []string{a.Dir, "0027", "77", pid}; !cmp.Equal(last, want) {
		t.Errorf("directory, umask, files, pid: %q, want %q", last, want)
	}
	for _, kv := range got[:len(got)-4] {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH", "OUT", "PWD", "SHLVL", "_", "OLDPWD": // the shell sets the last four
		default:
			t.Errorf("leaked into the agent: %s", kv)
		}
	}
	r := records(t, a)
	if len(r) != 1 || r[0].State != event.RecordLaunched || strconv.Itoa(r[0].PID) != pid || r[0].Gen != 2 || r[0].Src != "launcher" || r[0].V != 1 || r[0].Time.IsZero() {
		t.Errorf("records %+v, want one launched of process %s", r, pid)
	}
	if _, err := os.Stat(a.path); err == nil {
		t.Error("the spec is still there")
	}
}

// records reads the status file as the supervisor does.
func records(t *testing.T, a *agent) []event.Record {
	t.Helper()
	var out []event.Record
	for line := range strings.Lines(a.status(t)) {
		r, err := status.Parse([]byte(line))
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		out = append(out, r)
	}
	return out
}

func TestTheAgentsLifeHoldsTheLock(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `exec 3>/dev/null 9>/dev/null; echo up; exec sleep 60`)
	a.Env = append(a.Env, "TOKEN=s3cret")
	a.write(t)
	if held, err := lock.Held(a.Lock); held || err != nil {
		t.Fatalf("held before the launch: %v, %v", held, err)
	}
	cmd := proc.Role("launch", a.path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := proc.Start(t, cmd)
	proc.FirstLine(t, out)
	if held, err := lock.Held(a.Lock); !held || err != nil {
		t.Errorf("Held = %v, %v while the agent lives", held, err)
	}
	if pid, ok := lock.Holder(a.Lock); !ok || pid != p.PID {
		t.Errorf("Holder = %d, %v, want %d", pid, ok, p.PID)
	}
	if b, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(p.PID)).Output(); err != nil || strings.Contains(string(b), "s3cret") {
		t.Errorf("ps shows %q, %v", b, err)
	}

	// A second agent is started beside it, of the same and of a later generation.
	before := a.status(t)
	for gen := 2; gen <= 3; gen++ {
		b := *a
		b.Gen, b.path = gen, filepath.Join(a.Dir, "second.json")
		b.Argv = []string{"sh", "-c", `echo second > "$OUT"`}
		code, said := proc.Finish(t, proc.Role("launch", b.write(t)))
		if code != scarce.HeldExitStatus || !strings.Contains(said, "alive already") {
			t.Errorf("second launch: exit %d, said %q", code, said)
		}
	}
	if a.out(t) != "" || a.status(t) != before {
		t.Errorf("the second launch left %q and records %q", a.out(t), a.status(t))
	}
	if pid, ok := lock.Holder(a.Lock); !ok || pid != p.PID {
		t.Errorf("Holder = %d, %v after the second launch, want %d", pid, ok, p.PID)
	}

	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if held, err := lock.Held(a.Lock); held || err != nil {
		t.Errorf("Held = %v, %v after its death", held, err)
	}
	if pid, ok := lock.Holder(a.Lock); ok {
		t.Errorf("Holder = %d after its death", pid)
	}
	a.Argv = []string{"sh", "-c", `echo third > "$OUT"`}
	if code, said := proc.Finish(t, proc.Role("launch", a.write(t))); code != 0 || a.out(t) != "third\n" {
		t.Errorf("launch after its death: exit %d, said %q, left %q", code, said, a.out(t))
	}
}

func TestTheLockIsHeldByWhatTheAgentLeftBehind(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `sleep 60 </dev/null >/dev/null 2>&1 & echo $!; exit 0`)
	code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
	child, err := strconv.Atoi(strings.TrimSpace(said))
	if code != 0 || err != nil {
		t.Fatalf("exit %d, said %q", code, said)
	}
	held, err := lock.Held(a.Lock)
	_, ok := lock.Holder(a.Lock)
	if !held || err != nil || ok {
		t.Errorf("Held = %v, %v, Holder = %v; want held with no holder", held, err, ok)
	}
	_ = syscall.Kill(child, syscall.SIGKILL)
	await.Until(t, "the lock is free", func() bool { held, err := lock.Held(a.Lock); return !held && err == nil })
}

func TestExecSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*testing.T, *agent)
		exit   int
		words  []string
	}{
		{"missing program", func(_ *testing.T, a *agent) { a.Argv[0] = "no-such-agent" }, 127, []string{"no-such-agent", "missing"}},
		{"missing path", func(_ *testing.T, a *agent) { a.Argv[0] = "./no-such-agent" }, 127, []string{"no-such-agent"}},
		{"not executable", func(t *testing.T, a *agent) {
			a.Argv[0] = files.Write(t, filepath.Join(a.Dir, "agent.sh"), "#!/bin/sh\n")
		}, 126, []string{"agent.sh", "may not be run"}},
		{"no program", func(t *testing.T, a *agent) { a.Argv[0] = executable(t, a, "echo\n") }, 126, []string{"agent.sh", "#!/bin/sh"}},
		{"no interpreter", func(t *testing.T, a *agent) { a.Argv[0] = executable(t, a, "#!/no/such/sh\n") }, 126, []string{"agent.sh", "interpreter"}},
		{"missing directory", func(_ *testing.T, a *agent) { a.Dir += "/gone" }, 3, []string{"/gone", "cannot be entered"}},
	} {
		a := newAgent(t, "true")
		c.change(t, a)
		code, said := proc.Finish(t, proc.Role("launch", a.write(t)))
		r := records(t, a)
		if code != c.exit || len(r) == 0 {
			t.Errorf("%s: exit %d, want %d; records %+v; said %q", c.name, code, c.exit, r, said)
			continue
		}
		last := r[len(r)-1]
		for _, w := range c.words {
			if !strings.Contains(last.Note, w) || !strings.Contains(said, w) {
				t.Errorf("%s: record %q and pane %q do not both say %q", c.name, last.Note, said, w)
			}
		}
		if last.State != event.RecordExited || last.Src != "launcher" || last.Gen != 2 {
			t.Errorf("%s: last record %+v", c.name, last)
		}
		if held, err := lock.Held(a.Lock); held || err != nil {
			t.Errorf("%s: lock still held: %v, %v", c.name, held, err)
		}
	}
}

func executable(t *testing.T, a *agent, text string) string {
	t.Helper()
	p := files.Write(t, filepath.Join(a.Dir, "agent.sh"), text)
	if err := os.Chmod(p, 0o700); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPromptsUpToTheSystemsLimit(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `printf %s "$1" > "$OUT"`)
	a.Argv = append(a.Argv, "sh", strings.Repeat("x", 100<<10))
	if code, said := proc.Finish(t, proc.Role("launch", a.write(t))); code != 0 || len(a.out(t)) != 100<<10 {
		t.Errorf("100 KiB: exit %d, %d bytes arrived, said %q", code, len(a.out(t)), said)
	}
}

func BenchmarkExec(b *testing.B) {
	dir := b.TempDir()
	spec := filepath.Join(dir, "spec.json")
	err := Write(spec, Spec{
		Task: event.NewTaskID(1), Gen: 1, Argv: []string{"/bin/true"}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"},
		Lock: filepath.Join(dir, "alive"), StatusFile: filepath.Join(dir, "status"),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("launch", func(b *testing.B) {
		for b.Loop() {
			if out, err := proc.Role("launch", spec).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
