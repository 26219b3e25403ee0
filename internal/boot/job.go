package boot

import (
	"context"

	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/git"
	"muster/internal/life"
)

// Job is a job of a task: which steps run, where, and where their results go. All that judges work or a base makes its jobs
// here, so that one place says with which environment and in which fence checks run.
type Job struct {
	Fenced
	Exe   string // the program that becomes a fenced step
	Name  string
	Steps []event.Check
	Out   string
	Slots []string // lock files of the check slots
	Lock  string   // "" for none
	Wake  string   // "" for none
}

// Spec returns what the runner of the job is to do. env is an environment of the task (see Environ), and read and write are the
// files of its repository that its fence grants (see AgentPaths).
func (j Job) Spec(env, read, write []string) (check.Job, error) {
	env = j.Environ(env, "")
	t := j.Task
	spec := check.Job{
		Task: t.ID, Gen: t.Gen, Name: j.Name, Dir: t.Worktree, Env: env,
		Lock: j.Lock, SlotPaths: j.Slots, Out: j.Out, Wake: j.Wake, Steps: check.Steps(j.Steps),
	}
	if t.Spec.Fence == nil {
		return spec, nil
	}
	policy, err := j.Policy(env, "", read, write)
	spec.Shim, spec.Fence = []string{j.Exe, "launch"}, &policy
	return spec, err
}

// AgentPaths returns the files of a task's repository that what runs in its fence may read, and those that it may write.
func AgentPaths(ctx context.Context, repo *git.Repo, t life.Task) (read, write []string, err error) {
	if t.Spec.Fence.Git == event.GitRead {
		return []string{repo.Common}, nil, nil
	}
	return repo.AgentPaths(ctx, t.Worktree)
}
