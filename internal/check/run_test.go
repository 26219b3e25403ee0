package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fault/faulttest"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// job is a job in directories of its own.
type job struct {
	Job
	path string
	want Expected // set by begin
}

func newJob(t *testing.T, steps ...Step) *job {
	t.Helper()
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	for _, d := range []string{work, filepath.Join(dir, "out")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return &job{path: filepath.Join(dir, "job.json"), Job: Job{
		Task: event.NewTaskID(3), Gen: 1, Name: "round 1", Dir: work, Env: []string{"PATH=/usr/bin:/bin"},
		Lock: filepath.Join(dir, "check"), Out: filepath.Join(dir, "out"), Wake: filepath.Join(dir, "wake"), Steps: steps,
	}}
}

func (j *job) write(t *testing.T) string {
	t.Helper()
	if err := Write(j.path, j.Job); err != nil {
		t.Fatal(err)
	}
	return j.path
}

// run runs the job in this process and returns its result and what its pane showed.
func (j *job) run(t *testing.T) (Result, string) {
	t.Helper()
	var pane bytes.Buffer
	if err := j.tryRun(t.Context(), t, &pane); err != nil {
		t.Fatalf("Run: %v; pane: %s", err, pane.String())
	}
	return j.result(t), pane.String()
}

// tryRun runs the job in this process, with a supervisor that meets it.
func (j *job) tryRun(ctx context.Context, t *testing.T, pane io.Writer) error {
	t.Helper()
	path := j.write(t)
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, path, pane) }()
	j.begin(t, proc.Identify(t, strconv.Itoa(os.Getpid())))
	return <-ended
}

// start runs the job in a process of its own, and lets it begin.
func (j *job) start(t *testing.T, cmd *exec.Cmd) host.Process {
	t.Helper()
	p := proc.Start(t, cmd)
	j.begin(t, p)
	return p
}

// begin does what a supervisor does: it meets the runner, keeps its key, and lets it begin.
func (j *job) begin(t *testing.T, p host.Process) {
	t.Helper()
	in, err := Meet(t.Context(), j.Out, p)
	if err != nil {
		t.Fatalf("Meet: %v", err)
	}
	j.want = Expected{Task: in.Task, Job: in.Job, Definition: in.Definition, Key: in.Key}
	if err := Begin(t.Context(), j.Out, p, in.Key); err != nil {
		t.Fatalf("Begin: %v", err)
	}
}

// runAgain runs the job in a process of its own to its end.
func (j *job) runAgain(t *testing.T) {
	t.Helper()
	cmd := proc.Role("run", j.write(t))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	j.start(t, cmd)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the runner ended with %v: %s", err, said.String())
	}
}

func (j *job) result(t *testing.T) Result {
	t.Helper()
	r, err := ReadResult(j.Out, j.want)
	if err != nil {
		t.Fatalf("ReadResult: %v", err)
	}
	return r
}

// noResult fails the test if there is any result.
func (j *job) noResult(t *testing.T) {
	t.Helper()
	if _, err := ReadResult(j.Out, j.want); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadResult: %v, want none", err)
	}
}

func TestJobRunsAllStepsAndTellsHowEachWent(t *testing.T) {
	t.Parallel()
	j := newJob(t,
		Step{Name: "green", Run: "pwd; echo err >&2"},
		Step{Name: "red", Run: "echo bad; exit 1"},
		Step{Name: "odd.name-9_", Run: "exit 42"},
		Step{Name: "killed", Run: "kill -9 $$"},
		Step{Name: "slow", Run: "echo begun; exec sleep 60", Timeout: 300 * time.Millisecond},
		Step{Name: "last", Run: "cat; env"},
	)
	j.Env = append(j.Env, "A=b", environ.Mark+"=/outer")
	r, pane := j.run(t)
	type how struct {
		exit, signal int
		timedOut     bool
		log          string
	}
	want := []how{
		{0, 0, false, j.Dir + "\nerr\n"},
		{1, 0, false, "bad\n"},
		{42, 0, false, ""},
		{-1, 9, false, ""},
		{-1, 0, true, "begun\n"},
		{0, 0, false, ""},
	}
	if len(r.Steps) != len(want) || r.Error != "" || r.V != 1 || r.Ended.Before(r.Started) {
		t.Fatalf("result %+v", r)
	}
	for i, s := range r.Steps {
		if got := (how{s.Exit, s.Signal, s.TimedOut, want[i].log}); got != want[i] {
			t.Errorf("%s: %+v, want %+v", s.Name, got, want[i])
		}
		log := files.Read(t, s.Log)
		if s.Name == "last" {
			for _, kv := range []string{"PATH=/usr/bin:/bin", "A=b", environ.Mark + "=" + j.mark()} {
				if !strings.Contains(log, kv+"\n") {
					t.Errorf("environment %q lacks %s", log, kv)
				}
			}
			if strings.Contains(log, "/outer") {
				t.Errorf("environment %q has two marks", log)
			}
		} else if log != want[i].log {
			t.Errorf("%s: log %q, want %q", s.Name, log, want[i].log)
		}
		if int(s.LogBytes) != len(log) || s.Truncated || s.Ended.Before(s.Started) || s.Run != j.Steps[i].Run {
			t.Errorf("%s: %+v, log of %d bytes", s.Name, s, len(log))
		}
		if !strings.Contains(pane, log) || !strings.Contains(pane, s.Name+": ") {
			t.Errorf("pane does not show %s", s.Name)
		}
		if _, err := os.Stat(j.stepPath(s.Name)); err != nil {
			t.Errorf("%s has no file of its own: %v", s.Name, err)
		}
	}
	if files.Read(t, j.Wake) == "" {
		t.Error("the wake file was not touched")
	}
}

func TestAFlakyStepIsRepeatedBeforeItsVerdict(t *testing.T) {
	t.Parallel()
	failsTwice := `echo run >> runs; echo "run $(wc -l < runs)"; [ "$(wc -l < runs)" -ge 3 ]`
	for flaky, want := range map[int]struct{ exit, runs int }{0: {1, 0}, 1: {1, 2}, 2: {0, 3}, 5: {0, 3}} {
		j := newJob(t, Step{Name: "test", Run: failsTwice, Flaky: flaky}, Step{Name: "after", Run: "true", Flaky: flaky})
		r, _ := j.run(t)
		if len(r.Steps) != 2 || r.Steps[0].Exit != want.exit || r.Steps[0].Runs != want.runs || r.Steps[1].Runs != 0 {
			t.Errorf("flaky %d: %+v, want %+v", flaky, r.Steps, want)
		}
		if log, last := files.Read(t, r.Steps[0].Log), fmt.Sprintf("run %d\n", max(1, want.runs)); log != last {
			t.Errorf("flaky %d: the log is %q, want that of the last run, %q", flaky, log, last)
		}
	}
}

func TestJobKeepsBothEndsOfALongLog(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "noisy", Run: `echo FIRST; i=0; while [ $i -lt 3000 ]; do echo "line $i of noise"; i=$((i+1)); done; echo LAST`})
	j.MaxLog = 8 << 10
	r, pane := j.run(t)
	log := files.Read(t, r.Steps[0].Log)
	if !strings.HasPrefix(log, "FIRST\nline 0 ") || !strings.HasSuffix(log, "line 2999 of noise\nLAST\n") {
		t.Errorf("log begins %.40q and ends %.40q", log, log[len(log)-40:])
	}
	lost := r.Steps[0].LogBytes - j.MaxLog
	if note := fmt.Sprintf("\n[... %d bytes left out ...]\n", lost); !strings.Contains(log, note) || len(log) != int(j.MaxLog)+len(note) {
		t.Errorf("log of %d bytes lacks %q", len(log), note)
	}
	if !r.Steps[0].Truncated || !strings.Contains(pane, "line 1500 of noise") {
		t.Errorf("truncated %v; the pane must show all", r.Steps[0].Truncated)
	}
}

func TestStepLogLosesNothingButTheMiddle(t *testing.T) {
	t.Parallel()
	whole := make([]byte, 999)
	for i := range whole {
		whole[i] = byte('a' + i%26)
	}
	for total := 0; total < len(whole); total += 37 {
		for _, chunk := range []int{1, 7, 64, 100, 500} {
			path := filepath.Join(t.TempDir(), "log")
			l, err := newStepLog(path, 128, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < total; at += chunk {
				_, _ = l.Write(whole[at:min(at+chunk, total)])
			}
			n, cut, err := l.close()
			want := string(whole[:total])
			if total > 128 {
				want = fmt.Sprintf("%s\n[... %d bytes left out ...]\n%s", want[:64], total-128, want[total-64:])
			}
			if got := files.Read(t, path); got != want || int(n) != total || cut != (total > 128) || err != nil {
				t.Fatalf("%d bytes in chunks of %d: %d, %v, %v\n got %q\nwant %q", total, chunk, n, cut, err, got, want)
			}
		}
	}
}

func TestJobEndsWhatAStepLeavesBehind(t *testing.T) {
	t.Parallel()
	j := newJob(t,
		// One process in the step's group has a cleared environment, and one holds the output open.
		Step{Name: "daemons", Run: `env -i sleep 61 >/dev/null 2>&1 & echo $! >> pids; sleep 62 & echo $! >> pids; exit 0`},
		Step{Name: "slow", Run: `sleep 63 & echo $! >> pids; wait`, Timeout: 200 * time.Millisecond},
		Step{Name: "after", Run: "true"},
	)
	decoy := exec.Command("sleep", "62")
	proc.Start(t, decoy)
	r, _ := j.run(t)
	if len(r.Steps) != 3 || r.Steps[0].Exit != 0 || !r.Steps[1].TimedOut {
		t.Fatalf("result %+v", r)
	}
	pids := strings.Fields(files.Read(t, filepath.Join(j.Dir, "pids")))
	if len(pids) != 3 {
		t.Fatalf("pids %q", pids)
	}
	for _, s := range pids {
		if p := proc.Identify(t, s); p.Alive() {
			t.Errorf("process %s outlived its step", s)
		}
	}
	if p := proc.Identify(t, strconv.Itoa(decoy.Process.Pid)); !p.Alive() {
		t.Error("the decoy was ended")
	}
}

func TestJobOutlivesItsTerminal(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "long", Run: `echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; echo late; yes | head -c 100000`}, Step{Name: "next", Run: "echo more"})
	cmd := proc.Role("run", j.write(t))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	p := j.start(t, cmd)
	_ = w.Close()
	await.Until(t, "the step runs", func() bool { return files.Read(t, filepath.Join(j.Dir, "pid")) != "" })
	_ = r.Close() // the reader is gone: every write fails from now on
	for range 3 {
		if err := p.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	files.Write(t, filepath.Join(j.Dir, "go"), "")
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the runner ended with %v", err)
	}
	res := j.result(t)
	if len(res.Steps) != 2 || res.Steps[0].Exit != 0 || res.Steps[0].LogBytes != 100005 || files.Read(t, res.Steps[1].Log) != "more\n" {
		t.Errorf("result %+v", res)
	}
}

func TestJobIsNotHeldUpByATerminalThatTakesNothing(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "noisy", Run: `yes | head -c 1000000`, Timeout: 20 * time.Second})
	cmd := proc.Role("run", j.write(t))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // never read, so the pipe fills up
	cmd.Stdout, cmd.Stderr = w, nil
	j.start(t, cmd)
	_ = w.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the runner ended with %v", err)
	}
	if s := j.result(t).Steps[0]; s.Exit != 0 || s.TimedOut || s.LogBytes != 1000000 {
		t.Errorf("result %+v", s)
	}
}

func TestKilledJobHasNoResultAndRunsAgain(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `echo $$ >> pids; [ -e again ] || sleep 60`})
	cmd := proc.Role("run", j.write(t))
	p := j.start(t, cmd)
	pids := filepath.Join(j.Dir, "pids")
	await.Until(t, "the step runs", func() bool { return files.Read(t, pids) != "" })
	orphan := proc.Identify(t, files.Read(t, pids))

	code, said := proc.Finish(t, proc.Role("run", j.write(t)))
	if code != fault.ExitCode(fault.Wrap(fault.Conflict, lock.ErrHeld, "")) || !strings.Contains(said, "round 1") {
		t.Errorf("second runner beside the first: exit %d, said %q", code, said)
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	j.noResult(t)
	files.Write(t, filepath.Join(j.Dir, "again"), "")
	j.runAgain(t)
	if r := j.result(t); len(r.Steps) != 1 || r.Steps[0].Exit != 0 {
		t.Errorf("result %+v", r)
	}
	if orphan.Alive() {
		t.Error("the killed run's step still runs")
	}
}

func TestJobThatIsCancelledHasNoResult(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `echo $$ > pid; sleep 60`})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(j.Dir, "pid")); err == nil {
				break
			}
		}
		cancel()
	}()
	began := time.Now()
	err := j.tryRun(ctx, t, io.Discard)
	if !errors.Is(err, context.Canceled) || time.Since(began) > 20*time.Second {
		t.Errorf("Run: %v after %v", err, time.Since(began))
	}
	j.noResult(t)
	if p := proc.Identify(t, files.Read(t, filepath.Join(j.Dir, "pid"))); p.Alive() {
		t.Error("the step lives")
	}
}

func TestNeverMoreStepsAtOnceThanSlots(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slots := []string{filepath.Join(dir, "slot.0"), filepath.Join(dir, "slot.1")}
	log := filepath.Join(dir, "log")
	var cmds []*exec.Cmd
	var jobs []*job
	for range 6 {
		// The first one waits for the second: starting a runner may take longer than the step on a busy machine.
		j := newJob(t, Step{Name: "one", Run: `echo + >> "$LOG"; until [ "$(grep -c + "$LOG")" -ge 2 ]; do sleep 0.05; done; sleep 0.3; echo - >> "$LOG"`})
		j.SlotPaths, j.Env = slots, append(j.Env, "LOG="+log)
		cmd := proc.Role("run", j.write(t))
		j.start(t, cmd)
		cmds, jobs = append(cmds, cmd), append(jobs, j)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("job %d: %v", i, err)
		}
		if r := jobs[i].result(t); len(r.Steps) != 1 || r.Steps[0].Exit != 0 {
			t.Errorf("job %d: %+v", i, r)
		}
	}
	now, most := 0, 0
	for _, c := range strings.Fields(files.Read(t, log)) {
		if c == "+" {
			now++
		} else {
			now--
		}
		most = max(most, now)
	}
	if most != 2 {
		t.Errorf("%d ran at once, want 2", most)
	}
}

func TestJobThatCannotRunSaysSo(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "true"})
	j.Dir += "/gone"
	err := j.tryRun(t.Context(), t, io.Discard)
	faulttest.Want(t, err, fault.NotFound, "/gone")
	if r := j.result(t); !strings.Contains(r.Error, "/gone") || len(r.Steps) != 0 {
		t.Errorf("result %+v", r)
	}
	for name, step := range map[string]Step{
		"dots": {Name: "..", Run: "x"}, "slash": {Name: "a/b", Run: "x"}, "empty": {Run: "x"},
		"long": {Name: strings.Repeat("x", 65), Run: "x"}, "no command": {Name: "x"}, "newline": {Name: "a\n", Run: "x"},
	} {
		j := newJob(t, step)
		if err := Write(j.path, j.Job); fault.CodeOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := newJob(t, Step{Name: "a", Run: "x"}, Step{Name: "a", Run: "y"})
	faulttest.Want(t, Write(twice.path, twice.Job), fault.Usage, "twice")
}

func TestRun_SIGTERMEndsTheStepAndLeavesNoResult(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: `setsid sleep 60 & echo $! > left; echo $$ > pid; exec sleep 60`}, Step{Name: "two", Run: "touch ran"})
	cmd := proc.Role("run", j.write(t))
	p := j.start(t, cmd)
	await.Until(t, "the step runs", func() bool { return files.Read(t, filepath.Join(j.Dir, "pid")) != "" })
	step, left := proc.Identify(t, files.Read(t, filepath.Join(j.Dir, "pid"))), proc.Identify(t, files.Read(t, filepath.Join(j.Dir, "left")))
	if !Began(j.Out) {
		t.Error("a job that runs is said to wait")
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if step.Alive() || left.Alive() {
		t.Errorf("alive: the step %v, what it started %v", step.Alive(), left.Alive())
	}
	if j.noResult(t); files.Exists(filepath.Join(j.Dir, "ran")) {
		t.Error("the next step ran")
	}
	if held, err := lock.Held(j.Lock); held || err != nil {
		t.Errorf("the lock is held: %v, %v", held, err)
	}
}

func TestRun_SIGTERMEndsWaitingForASlot(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "touch ran"})
	j.SlotPaths = []string{filepath.Join(t.TempDir(), "slot")}
	slot, err := lock.Take(j.SlotPaths[0])
	if err != nil {
		t.Fatal(err)
	}
	defer slot.Close() //nolint:errcheck // releases it
	cmd := proc.Role("run", j.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := j.start(t, cmd)
	if line := proc.FirstLine(t, out); !strings.Contains(line, "waiting for one of 1 check slots") || Began(j.Out) {
		t.Errorf("it says %q, began: %v", line, Began(j.Out))
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if j.noResult(t); files.Exists(filepath.Join(j.Dir, "ran")) {
		t.Error("the step ran")
	}
}

func TestRun_RemovesItsSpecFile(t *testing.T) {
	t.Parallel()
	j := newJob(t, Step{Name: "one", Run: "[ ! -e ../job.json ]"})
	if r, _ := j.run(t); r.Steps[0].Exit != 0 || files.Exists(j.path) {
		t.Errorf("the spec file, which holds secrets, is there: while the step runs %v, at the end %v", r.Steps[0].Exit != 0, files.Exists(j.path))
	}
}
