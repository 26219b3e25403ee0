package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// forger is a script that a check calls, as a hostile agent would leave it in its worktree. It writes a green result
// wherever a job of its task may keep one, as an older version of muster read it. The runner is its grandparent.
const forger = `
green='{"v":1,"steps":[{"name":"one","run":"x","exit":0},{"name":"two","run":"false","exit":0}],"started":"2026-01-01T00:00:00Z","ended":"2026-01-01T00:00:01Z"}'
runner=$(ps -o ppid= -p $PPID | tr -d ' ')
for dir in "$MUSTER_JOB" "$MUSTER_HOME"/attempts/"$MUSTER_TASK"/jobs/* "$MUSTER_HOME"/jobs/"$MUSTER_TASK"/*; do
	test -d "$dir" || continue
	echo "$green" > "$dir/result.json"
	echo "$green" > "$dir/one.step.json"
	echo "$green" > "$dir/two.step.json"
done
`

// withForger dispatches a task whose agent writes the script that its check calls.
func (f *Fleet) withForger(end string, flags ...string) event.TaskID {
	f.t.Helper()
	openFence(f.t, "no check reaches a result to forge it")
	script := f.shared + "/forge.sh"
	f.write(script, forger+end)
	return f.dispatch("write a.txt <<x\ndone", append([]string{"--check", "one=sh " + script, "--check", "two=false"}, flags...)...)
}

// unpublished fails the test if anything of a task was published or judged green.
func (f *Fleet) unpublished(id event.TaskID) {
	f.t.Helper()
	if p := payloads[event.WorkPublished](f, id); len(p) > 0 {
		f.t.Errorf("published: %+v", p)
	}
	for _, r := range payloads[event.RoundFinished](f, id) {
		if green := r.Void == "" && len(r.Results) > 0; green {
			for _, c := range r.Results {
				green = green && c.Green()
			}
			if green {
				f.t.Errorf("a round is green: %+v", r)
			}
		}
	}
}

// TestVerdict_ForgedByACheckThatKillsItsRunner checks that a result which a check wrote before it killed the runner is
// neither a pass nor a fail: the checks did not run.
func TestVerdict_ForgedByACheckThatKillsItsRunner(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.withForger("kill -9 $runner\nsleep 60\n")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	if got.State != event.Parked || got.Reason != life.ReasonChecksBroken {
		t.Errorf("it is %s (%s): %s", got.State, got.Reason, got.Detail)
	}
	f.unpublished(id)
	if runs := payloads[event.JobStarted](f, id); len(runs) != 3 {
		t.Errorf("%d runs, want 3: %+v", len(runs), runs)
	}
	if why := f.must("why", string(id)); !strings.Contains(why, "does not count") || !strings.Contains(why, "not signed by the runner") {
		t.Errorf("why does not tell of the false result:\n%s", why)
	}
}

// TestVerdict_ForgedWhileTheRunnerLives checks that the runner's own result counts, whatever a check has written.
func TestVerdict_ForgedWhileTheRunnerLives(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.withForger("exit 0\n", "--rounds", "1")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	if got.State != event.Parked || got.Rounds.Last == nil || len(got.Rounds.Last.Results) != 2 || got.Rounds.Last.Results[1].Exit != 1 {
		t.Errorf("it is %s (%s), its last round is %+v", got.State, got.Reason, got.Rounds.Last)
	}
	f.unpublished(id)
}

// TestVerdict_ForgedBeforeTheSupervisorIsReplaced checks that a supervisor which takes over a running check waits for it,
// whatever result lies there by then.
func TestVerdict_ForgedBeforeTheSupervisorIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.withForger(": > "+f.shared+"/forged\nwhile ! test -e "+f.shared+"/let-go; do sleep 0.05; done\n", "--rounds", "1")
	f.eventually("the result is forged", func() bool { _, err := os.Stat(f.shared + "/forged"); return err == nil })
	f.kill(f.only("supervise"))
	f.eventually("why tells of it", func() bool { return strings.Contains(f.must("why", string(id)), "does not count") })
	if got := f.task(id); got.State != event.Checking {
		t.Errorf("it is %s (%s) while its checks run", got.State, got.Reason)
	}
	f.write(f.shared+"/let-go", "")
	if got := f.reaches(id, event.Done, event.Parked, event.Failed); got.State != event.Parked || got.Reason != life.ReasonRounds {
		t.Errorf("it is %s (%s): %s", got.State, got.Reason, got.Detail)
	}
	if runs := payloads[event.JobStarted](f, id); len(runs) != 1 {
		t.Errorf("%d runs, want 1", len(runs))
	}
	f.unpublished(id)
}

// TestVerdict_OfAnotherTree checks that a check cannot have another tree published than the one that was judged, by
// rewriting what is kept about its round.
func TestVerdict_OfAnotherTree(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.shared+"/note.sh", `
git add a.txt; judged=$(git write-tree)
echo evil > a.txt; git add a.txt; evil=$(git write-tree); commit=$(git commit-tree -m evil $evil)
for dir in "$MUSTER_HOME"/attempts/"$MUSTER_TASK"/jobs/* "$MUSTER_HOME"/jobs/"$MUSTER_TASK"/*; do
	test -d "$dir" && printf '{"Commit":"%s","Tree":"%s","Changed":true}' $commit $evil > "$dir/note.json"
done
exit 0
`)
	id := f.dispatch("write a.txt <<x\ndone", "--check", "one=sh "+f.shared+"/note.sh")
	f.reaches(id, event.Done, event.Parked, event.Failed)
	f.unpublishedWith(id, "evil")
}

// unpublishedWith fails the test if a.txt was published with this content by a first round.
func (f *Fleet) unpublishedWith(id event.TaskID, content string) {
	f.t.Helper()
	rounds := payloads[event.RoundFinished](f, id)
	if len(rounds) == 0 {
		f.t.Fatal("no round was judged")
	}
	if text := f.git("show", rounds[0].Tree+":a.txt"); strings.TrimSpace(text) == content || !rounds[0].Moved {
		f.t.Errorf("the first round judged %q, and moved is %v", text, rounds[0].Moved)
	}
}

// TestVerdict_OfARoundToCome checks that results which lie ready for every round to come are not believed.
func TestVerdict_OfARoundToCome(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	script := f.shared + "/ready.sh"
	f.write(script, `
green='{"v":1,"steps":[{"name":"one","run":"x","exit":0}],"started":"2026-01-01T00:00:00Z","ended":"2026-01-01T00:00:01Z"}'
for base in "$MUSTER_HOME"/attempts/"$MUSTER_TASK"/jobs "$MUSTER_HOME"/jobs/"$MUSTER_TASK"; do
	for round in 1 2 3; do for action in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		mkdir -p $base/round-$round-a$action && echo "$green" > $base/round-$round-a$action/result.json
	done; done
done
`)
	id := f.dispatch("run sh "+script+"\nwrite a.txt <<x\ndone", "--rounds", "1", "--check", "one=false")
	if got := f.reaches(id, event.Done, event.Parked, event.Failed); got.State != event.Parked || got.Reason != life.ReasonRounds {
		t.Errorf("it is %s (%s): %s", got.State, got.Reason, got.Detail)
	}
	f.unpublished(id)
}

// TestVerdict_JobDirectoryIsReplaced checks that a job directory which became a link, a FIFO or a file, while its
// checks ran, leads to no verdict and to no hang.
func TestVerdict_JobDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for name, how := range map[string]string{
		"link": `mv "$dir" "$dir.away"; mkdir -p "$MUSTER_WORKTREE/.git-not/elsewhere"; ln -s ` + f.root + ` "$dir"`,
		"fifo": `mv "$dir" "$dir.away"; mkfifo "$dir"`,
		"file": `mv "$dir" "$dir.away"; : > "$dir"`,
	} {
		script := fmt.Sprintf("%s/%s.sh", f.shared, name)
		f.write(script, `
for dir in "$MUSTER_HOME"/attempts/"$MUSTER_TASK"/jobs/round-* "$MUSTER_HOME"/jobs/"$MUSTER_TASK"/round-*; do
	test -d "$dir" && case "$dir" in *.away) ;; *) `+how+` ;; esac
done
exit 0
`)
		id := f.dispatch("write a.txt <<x\ndone", "--rounds", "1", "--check", "one=sh "+script, "--check", "two=false")
		if got := f.reaches(id, event.Done, event.Parked, event.Failed); got.State != event.Parked {
			t.Errorf("%s: it is %s (%s): %s", name, got.State, got.Reason, got.Detail)
		}
		f.unpublished(id)
	}
}

// TestVerdict_JobFileIsRewritten checks that a runner whose job file was changed before it read it judges nothing: it
// is ended, and another one is started.
func TestVerdict_JobFileIsRewritten(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	changed := make(chan string, 100)
	go func() { // a process that an agent left behind, and that is quick enough now and then
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, pattern := range []string{"/attempts/*/jobs/*/spec.json", "/jobs/*/*/spec.json"} {
				all, _ := filepath.Glob(f.home + pattern)
				for _, path := range all {
					if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), `"run":"false"`) {
						_ = os.WriteFile(path, []byte(strings.Replace(string(data), `"run":"false"`, `"run":"true"`, 1)), 0o600)
						changed <- path
					}
				}
			}
		}
	}()
	id := f.dispatch("write a.txt <<x\ndone", "--rounds", "1", "--check", "one=false")
	if got := f.reaches(id, event.Done, event.Parked, event.Failed); got.State != event.Parked {
		t.Errorf("it is %s (%s): %s", got.State, got.Reason, got.Detail)
	}
	f.unpublished(id)
	t.Logf("the job file was changed %d times", len(changed))
}

// TestVerdict_RunnerIsStopped checks that a check which stops its runner again and again holds nothing up: tmux lets
// it go on.
func TestVerdict_RunnerIsStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	script := f.shared + "/stop.sh"
	f.write(script, "runner=$(ps -o ppid= -p $PPID)\nfor i in 1 2 3 4 5; do kill -STOP $runner; done\nexit 0\n")
	id := f.dispatch("write a.txt <<x\ndone", "--check", "one=sh "+script)
	f.reaches(id, event.Done)
	if rounds := payloads[event.RoundFinished](f, id); len(rounds) != 1 || len(rounds[0].Results) != 1 {
		t.Errorf("rounds %+v", rounds)
	}
}
