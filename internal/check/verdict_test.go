package check

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/fence"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// forge returns a result file with green steps, signed with a key.
func (j *job) forge(t *testing.T, key ed25519.PrivateKey) []byte {
	t.Helper()
	r := Result{V: 1, Task: j.want.Task, Job: j.want.Job, Definition: j.want.Definition}
	for _, s := range j.Steps {
		r.Steps = append(r.Steps, StepResult{Name: s.Name, Run: s.Run})
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(signed{Result: body, Signature: ed25519.Sign(key, append([]byte(signedFor), body...))})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadResult_BelievesTheRunnerAlone(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "true"}, Step{Name: "two", Run: "false"})
	j.run(t)
	path := filepath.Join(j.Out, resultFile)
	honest := files.Read(t, path)
	before := j.want
	j.run(t) // another run of the same job, which has a key of its own
	again := files.Read(t, path)
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) func() error { return func() error { return os.WriteFile(path, []byte(text), 0o600) } }
	for name, put := range map[string]func() error{
		"an unsigned one":         write(`{"v":1,"steps":[{"name":"one","exit":0},{"name":"two","exit":0}]}`),
		"one of an older run":     write(honest),
		"one with another key":    write(string(j.forge(t, other))),
		"one that was changed":    write(strings.Replace(again, `"exit":1`, `"exit":0`, 1)),
		"an empty one":            write(""),
		"no JSON":                 write("{"),
		"a huge one":              func() error { return os.Truncate(path, 1<<30) },
		"a FIFO":                  func() error { return syscall.Mkfifo(path, 0o600) },
		"a directory":             func() error { return os.Mkdir(path, 0o700) },
		"a link to an honest one": func() error { return os.Symlink(files.Write(t, filepath.Join(j.Dir, "r"), again), path) },
		"a device":                func() error { return os.Symlink("/dev/zero", path) },
	} {
		if err := ForgetResult(j.Out); err != nil {
			t.Fatal(err)
		}
		if name == "a huge one" {
			files.Write(t, path, again)
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if r, err := ReadResult(j.Out, j.want); !errors.Is(err, ErrFalse) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if err := ForgetResult(j.Out); err != nil {
		t.Fatal(err)
	}
	files.Write(t, path, again)
	if r := j.result(t); len(r.Steps) != 2 || r.Steps[0].Exit != 0 || r.Steps[1].Exit != 1 {
		t.Errorf("the honest result: %+v", r)
	}
	for name, want := range map[string]Expected{
		"no key":             {Task: j.want.Task, Job: j.want.Job, Definition: j.want.Definition},
		"another job":        {Task: j.want.Task, Job: "round 2", Definition: j.want.Definition, Key: j.want.Key},
		"another task":       {Task: "t9", Job: j.want.Job, Definition: j.want.Definition, Key: j.want.Key},
		"another definition": {Task: j.want.Task, Job: j.want.Job, Definition: "x", Key: j.want.Key},
		"the older run":      before,
	} {
		if _, err := ReadResult(j.Out, want); !errors.Is(err, ErrFalse) {
			t.Errorf("for %s: %v", name, err)
		}
	}
}

func TestRun_StepsKnowNothingOfTheJob(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `env; ls -l /proc/self/fd /dev/fd/ 2>&1`})
	r, _ := j.run(t)
	log := files.Read(t, r.Steps[0].Log)
	for _, word := range []string{j.Out, "MUSTER_JOB=", "socket:", j.Lock} {
		if strings.Contains(log, word) {
			t.Errorf("a step is told %q:\n%s", word, log)
		}
	}
}

func TestRun_ReadsItsDefinitionOnce(t *testing.T) {
	t.Parallel()
	// The first step writes another definition to wherever a job file may be.
	j := newJob(t, Step{Name: "one", Run: `for f in ../job.json ../out/spec.json; do echo '{"v":1,"kind":"job","steps":[]}' > $f; done`}, Step{Name: "two", Run: "exit 7"})
	if r, _ := j.run(t); len(r.Steps) != 2 || r.Steps[1].Exit != 7 {
		t.Errorf("result %+v", r)
	}
}

func TestMeet_TellsWhatTheRunnerHasRead(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "false"})
	honest, err := j.Definition()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Job){
		"a step":       func(j *Job) { j.Steps = []Step{{Name: "one", Run: "true"}} },
		"the PATH":     func(j *Job) { j.Env = []string{"PATH=/elsewhere"} },
		"the worktree": func(j *Job) { j.Dir = t.TempDir() },
		"the limit":    func(j *Job) { j.Steps = []Step{{Name: "one", Run: "false", Timeout: time.Hour}} },
		"nothing":      func(*Job) {},
	} {
		changed := job{path: j.path, Job: j.Job}
		change(&changed.Job)
		cmd := proc.Role("run", changed.write(t))
		p := proc.Start(t, cmd)
		in, err := Meet(t.Context(), j.Out, p)
		if err != nil || (in.Definition == honest) != (name == "nothing") {
			t.Errorf("%s was changed: definition %.8s of %.8s, %v", name, in.Definition, honest, err)
		}
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
}

func TestMeet_TellsTheFenceOfTheRunner(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	j := newJob(t, Step{Name: "one", Run: "true"})
	granted := fence.System()
	j.Fence, j.Shim = &granted, []string{"/nowhere"}
	honest, err := j.Definition()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := granted.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*fence.Policy){
		"a path to write": func(p *fence.Policy) { p.Write = append(slices.Clone(p.Write), j.Dir) },
		"a path to read":  func(p *fence.Policy) { p.Read = append(slices.Clone(p.Read), j.Dir) },
		"Unix sockets":    func(p *fence.Policy) { p.Unix = true },
		"the ports":       func(p *fence.Policy) { p.Ports = []int{} },
		"nothing":         func(*fence.Policy) {},
	} {
		p := granted
		change(&p)
		changed := job{path: j.path, Job: j.Job}
		changed.Fence = &p
		cmd := proc.Role("run", changed.write(t))
		runner := proc.Start(t, cmd)
		in, err := Meet(t.Context(), j.Out, runner)
		if same := name == "nothing"; err != nil || in.Fence == nil || (in.Definition == honest) != same || (in.Fence.Policy == policy) != same {
			t.Errorf("%s was changed: definition %.8s of %.8s, fence %+v, %v", name, in.Definition, honest, in.Fence, err)
		}
		if err := runner.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}
}

func TestRun_WithoutItsFenceNoStepRuns(t *testing.T) {
	t.Parallel()
	if _, err := fence.ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	j := newJob(t, Step{Name: "one", Run: "touch ran"})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(j.Dir, link); err != nil {
		t.Fatal(err)
	}
	granted := fence.System()
	granted.Write = append(granted.Write, link)
	j.Fence, j.Shim = &granted, []string{"/nowhere"}
	var pane bytes.Buffer
	if err := j.tryRun(t.Context(), t, &pane); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("Run: %v", err)
	}
	if r := j.result(t); len(r.Steps) != 0 || !strings.Contains(r.Error, "symbolic link") {
		t.Errorf("result %+v", r)
	}
	if files.Exists(filepath.Join(j.Dir, "ran")) {
		t.Error("a step ran")
	}
}

func TestRun_WaitsUntilItMayBegin(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "touch ran"})
	cmd := proc.Role("run", j.write(t))
	p := proc.Start(t, cmd)
	for range 3 { // each supervisor of a fleet that is restarted meets it
		if _, err := Meet(t.Context(), j.Out, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("unix", filepath.Join(j.Out, socketFile)); err != nil { // one that says nothing
		t.Fatal(err)
	}
	if files.Exists(filepath.Join(j.Dir, "ran")) {
		t.Fatal("a step ran before the runner was let begin")
	}
	if err := Begin(t.Context(), j.Out, p, []byte("another key")); !errors.Is(err, errOtherKey) {
		t.Errorf("Begin with another key: %v", err)
	}
	j.begin(t, p)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := Begin(t.Context(), j.Out, p, j.want.Key); err != nil {
		t.Errorf("Begin of a runner that has begun: %v", err)
	}
	if r := j.result(t); len(r.Steps) != 1 || r.Steps[0].Exit != 0 {
		t.Errorf("result %+v", r)
	}
}

func TestMeet_IsDeceivedByNoOtherProcess(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "false"})
	l, err := net.Listen("unix", filepath.Join(j.Out, socketFile))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the test is over
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, `{"v":1,"task":"t3","job":"round 1","key":"AAAA"}`+"\n")
			_ = conn.Close()
		}
	}()
	runner := exec.Command("sleep", "60") // it was started, and says nothing
	p := proc.Start(t, runner)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if in, err := Meet(ctx, j.Out, p); !errors.Is(err, ErrImpostor) {
		t.Errorf("Meet = %+v, %v", in, err)
	}
	if err := Begin(ctx, j.Out, p, []byte("x")); err == nil {
		t.Errorf("Begin = %v", err)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = runner.Wait()
	if _, err := Meet(t.Context(), j.Out, p); !errors.Is(err, ErrGone) {
		t.Errorf("Meet of a dead runner: %v", err)
	}
}

func TestMeet_WorksBelowALongPath(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "true"})
	j.Out = filepath.Join(j.Out, strings.Repeat("long", 30))
	if err := os.Mkdir(j.Out, 0o700); err != nil {
		t.Fatal(err)
	}
	if r, _ := j.run(t); len(r.Steps) != 1 || r.Steps[0].Exit != 0 {
		t.Errorf("result %+v", r)
	}
	left, err := filepath.Glob(filepath.Join("/tmp", "muster-*", "d"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range left {
		if to, err := os.Readlink(link); err == nil && to == j.Out {
			t.Errorf("%s is left", link)
		}
	}
}

func TestExcerpt_QuotesOnlyWhatTheRunnerWrote(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "echo mine; exit 1"})
	r, _ := j.run(t)
	if said, err := Excerpt(r.Steps[0], 100); err != nil || said != "mine" {
		t.Errorf("Excerpt = %q, %v", said, err)
	}
	files.Write(t, r.Steps[0].Log, "theirs\n")
	if said, err := Excerpt(r.Steps[0], 100); err != nil || said != changedLog {
		t.Errorf("Excerpt of a changed log = %q, %v", said, err)
	}
}
