package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"muster/internal/boot"
	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/life"
	"muster/internal/regular"
	"muster/internal/replace"
)

// excerptLimit bounds the part of a red check's output that goes into the log and to the agent, in bytes.
const excerptLimit = 4 << 10

// maxNote bounds the supervisor's files in a job's directory, in bytes.
const maxNote = 1 << 20

// jobs implements fleet.Jobs with the runner of checks.
type jobs struct {
	home     home.Dir
	agents   agents
	evidence *boot.Evidence
}

func (j jobs) dir(job fleet.Job) string { return j.home.JobDir(job.Task.ID, job.Name) }

// clear removes a file or a link in the place of one of a job's directories, and reports whether it removed any. A link
// would lead the files of the job elsewhere.
func (j jobs) clear(job fleet.Job) (replaced bool, err error) {
	for _, dir := range []string{j.home.JobsDir(), j.home.TaskJobsDir(job.Task.ID), j.dir(job)} {
		st, err := os.Lstat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return replaced, nil
		case err != nil:
			return replaced, fault.Wrap(fault.Failed, err, "look at the directory of %s", job.Name)
		case st.IsDir():
			continue
		}
		replaced = true
		if err := os.Remove(dir); err != nil {
			return replaced, fault.Wrap(fault.Failed, err, "remove what is in the place of the directory of %s", job.Name)
		}
	}
	return replaced, nil
}

// makeDir makes the directory of a job.
func (j jobs) makeDir(job fleet.Job) error {
	_, err := j.clear(job)
	if err == nil {
		err = os.MkdirAll(j.dir(job), 0o700)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "make the directory of %s", job.Name).WithHint("Check the free space of the disk.")
	}
	return nil
}

// State implements fleet.Jobs.
func (j jobs) State(_ context.Context, job fleet.Job) (fleet.JobState, error) {
	dir := j.dir(job)
	var state fleet.JobState
	if replaced, err := j.clear(job); err != nil {
		return state, err
	} else if replaced {
		state.False = "the directory of " + job.Name + " was replaced by something else, which was removed"
	}
	run, recorded := job.Task.Job(job.Name)
	res, err := check.ReadResult(dir, check.Expected{Task: job.Task.ID, Job: job.Name, Definition: run.Definition, Key: run.Key})
	switch {
	case err == nil:
		state.Finished, state.Error, state.Scarce = true, res.Error, res.Scarce
		state.Results, err = results(res)
		return state, err
	case errors.Is(err, check.ErrFalse):
		state.False = fmt.Sprintf("the result of %s does not count: %v", job.Name, err)
		if err := check.ForgetResult(dir); err != nil {
			return state, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return state, err
	}
	state.Starts = starts(dir)
	state.Running = recorded && host.Process(run.Process).Alive()
	return state, nil
}

// Meet implements fleet.Jobs.
func (j jobs) Meet(ctx context.Context, job fleet.Job, p event.ProcessRef) (event.JobStarted, error) {
	spec, err := j.spec(ctx, job)
	if err != nil {
		return event.JobStarted{}, err
	}
	want, err := spec.Definition()
	if err != nil {
		return event.JobStarted{}, err
	}
	in, err := check.Meet(ctx, spec.Out, host.Process(p))
	switch {
	case errors.Is(err, check.ErrGone):
		return event.JobStarted{}, fleet.ErrRunnerGone
	case err != nil:
		return event.JobStarted{}, err
	case in.Task != job.Task.ID || in.Job != job.Name || in.Definition != want:
		return event.JobStarted{}, fleet.ErrRunnerOther
	}
	environment, err := j.evidence.Environment(job.Task)
	return event.JobStarted{Key: in.Key, Definition: in.Definition, Fence: in.Fence, Environment: environment}, err
}

// Environment implements fleet.Jobs.
func (j jobs) Environment(_ context.Context, t life.Task) (string, error) {
	return j.evidence.Environment(t)
}

// Begin implements fleet.Jobs.
func (j jobs) Begin(ctx context.Context, job fleet.Job, run event.JobStarted) error {
	return check.Begin(ctx, j.dir(job), host.Process(run.Process), run.Key)
}

// results returns the verdicts of a job's result.
func results(res check.Result) ([]event.CheckResult, error) {
	var out []event.CheckResult
	for _, s := range res.Steps {
		r := event.CheckResult{
			Name: s.Name, Run: s.Run, Exit: s.Exit, Signal: s.Signal, TimedOut: s.TimedOut,
			Duration: s.Ended.Sub(s.Started), Log: s.Log, Runs: s.Runs,
		}
		if !r.Green() {
			var err error
			if r.Excerpt, err = check.Excerpt(s, excerptLimit); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// Ready implements fleet.Jobs.
func (j jobs) Ready(ctx context.Context, job fleet.Job) (string, error) {
	dir := j.dir(job)
	if err := j.makeDir(job); err != nil {
		return "", err
	}
	if err := j.count(job, 1); err != nil {
		return "", err
	}
	spec, err := j.spec(ctx, job)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "spec.json")
	return path, check.Write(path, spec)
}

// spec returns what the runner of a job is to do. It is made from the log, the fleet's environment and the list of grants
// alone. A file of that list that appears or goes makes another fence, and so another spec.
func (j jobs) spec(ctx context.Context, job fleet.Job) (check.Job, error) {
	env, err := boot.Environ(j.home, job.Task, max(1, job.Task.Gen))
	if err != nil {
		return check.Job{}, err
	}
	var read, write []string
	if job.Task.Spec.Fence != nil {
		if read, write, err = j.agents.repo(ctx, job.Task); err != nil {
			return check.Job{}, err
		}
	}
	return boot.Job{
		Fenced: boot.Fenced{Home: j.home, Task: job.Task}, Exe: j.agents.exe, Name: job.Name, Steps: job.Steps,
		Out: j.dir(job), Slots: j.agents.slots(), Lock: j.home.CheckLock(job.Task.ID), Wake: j.home.Wake(),
	}.Spec(env, read, write)
}

// Unready implements fleet.Jobs. It deletes the result first, because a job with a result counts as run.
func (j jobs) Unready(_ context.Context, job fleet.Job) error {
	if err := check.ForgetResult(j.dir(job)); err != nil {
		return err
	}
	return j.count(job, -1)
}

// starts returns how often a job was started, by its directory.
func starts(dir string) int {
	data, err := regular.Read(filepath.Join(dir, "starts"), maxNote)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(string(data))
	return n
}

// count adds by to the number of times that a job was started.
func (j jobs) count(job fleet.Job, by int) error {
	dir := j.dir(job)
	n := []byte(strconv.Itoa(max(0, starts(dir)+by)))
	if err := replace.File(filepath.Join(dir, "starts"), n, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "count the start of %s", job.Name).WithHint("Check the free space of the disk.")
	}
	return nil
}

// Note implements fleet.Jobs.
func (j jobs) Note(_ context.Context, job fleet.Job, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := j.makeDir(job); err != nil {
		return err
	}
	if err := replace.File(filepath.Join(j.dir(job), "note.json"), data, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "note what %s judges", job.Name).WithHint("Check the free space of the disk.")
	}
	return nil
}

// Noted implements fleet.Jobs.
func (j jobs) Noted(_ context.Context, job fleet.Job, value any) (bool, error) {
	data, err := regular.Read(filepath.Join(j.dir(job), "note.json"), maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Failed, err, "read what %s judges", job.Name)
	}
	return json.Unmarshal(data, value) == nil, nil
}
