package daemon

import (
	"context"
	"encoding/json"
	"errors"
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
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/replace"
)

// excerptLimit bounds the part of a red check's output that goes into the log and to the agent, in bytes.
const excerptLimit = 4 << 10

// maxNote bounds the supervisor's files in a job's directory, in bytes.
const maxNote = 1 << 20

// jobs implements fleet.Jobs with the runner of checks.
type jobs struct {
	home   home.Dir
	agents agents
}

func (j jobs) dir(job fleet.Job) string { return j.home.JobDir(job.Task.ID, job.Name) }

// State implements fleet.Jobs.
func (j jobs) State(_ context.Context, job fleet.Job) (fleet.JobState, error) {
	dir := j.dir(job)
	var state fleet.JobState
	res, ok, err := check.ReadResult(dir)
	if err != nil {
		return state, err
	}
	if ok {
		state.Finished, state.Error, state.Scarce = true, res.Error, res.Scarce
		state.Results, err = results(res)
		return state, err
	}
	if data, err := regular.Read(filepath.Join(dir, "starts"), maxNote); err == nil {
		state.Starts, _ = strconv.Atoi(string(data))
	}
	// The lock belongs to the task. It counts for this job only if this job was begun.
	if held, err := lock.Held(j.home.CheckLock(job.Task.ID)); err == nil && held && state.Starts > 0 {
		if pid, ok := lock.Holder(j.home.CheckLock(job.Task.ID)); ok {
			state.Running, state.Waiting = pid, !check.Began(dir)
		}
	}
	return state, nil
}

// results returns the verdicts of a job's result.
func results(res check.Result) ([]event.CheckResult, error) {
	var out []event.CheckResult
	for _, s := range res.Steps {
		r := event.CheckResult{
			Name: s.Name, Run: s.Run, Exit: s.Exit, Signal: s.Signal, TimedOut: s.TimedOut,
			Duration: s.Ended.Sub(s.Started), Log: s.Log,
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Failed, err, "make the directory of %s", job.Name).WithHint("Check the free space of the disk.")
	}
	if err := j.count(ctx, job, 1); err != nil {
		return "", err
	}
	env, err := boot.Environ(j.home, job.Task, max(1, job.Task.Gen))
	if err != nil {
		return "", err
	}
	spec := check.Job{
		Task: job.Task.ID, Gen: job.Task.Gen, Name: job.Name, Dir: job.Task.Worktree, Env: env,
		Lock: j.home.CheckLock(job.Task.ID), SlotPaths: j.agents.slots(), Out: dir, Wake: j.home.Wake(),
	}
	for _, c := range job.Steps {
		spec.Steps = append(spec.Steps, check.Step{Name: c.Name, Run: c.Run, Timeout: c.Timeout})
	}
	path := filepath.Join(dir, "spec.json")
	return path, check.Write(path, spec)
}

// Unready implements fleet.Jobs. It deletes the result first, because a job with a result counts as run.
func (j jobs) Unready(ctx context.Context, job fleet.Job) error {
	if err := check.ForgetResult(j.dir(job)); err != nil {
		return err
	}
	return j.count(ctx, job, -1)
}

// count adds by to the number of times that a job was begun.
func (j jobs) count(ctx context.Context, job fleet.Job, by int) error {
	state, err := j.State(ctx, job)
	if err != nil {
		return err
	}
	starts := []byte(strconv.Itoa(max(0, state.Starts+by)))
	if err := replace.File(filepath.Join(j.dir(job), "starts"), starts, 0o600); err != nil {
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
	if err := os.MkdirAll(j.dir(job), 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "make the directory of %s", job.Name).WithHint("Check the free space of the disk.")
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
