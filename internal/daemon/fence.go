package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/internal/agent"
	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/life"
	"muster/internal/regular"
	"muster/internal/replace"
)

// repoPaths returns the files of a task's repository that its agent may read, and those that it may write.
type repoPaths func(ctx context.Context, t life.Task) (read, write []string, err error)

// agentPaths implements repoPaths.
func (w worktrees) agentPaths(ctx context.Context, t life.Task) (read, write []string, err error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	return boot.AgentPaths(ctx, repo, t)
}

// generation returns the directories of a generation that its agent's side reads, and those that it writes.
func (a agents) generation(t life.Task, gen int) (read, write []string) {
	files := a.home.Gen(t.ID, gen)
	return []string{files.RO()}, []string{files.RW(), a.home.StatusFile(t.ID, gen)}
}

// fence returns the policy of a generation's process, nil if its task has no fence. It makes what the policy grants, and
// proves that this machine can enforce it: an error parks the task, and its agent never runs without the fence.
func (a agents) fence(ctx context.Context, t life.Task, gen int, env []string, program string) (*fence.Policy, []event.Payload, error) {
	if t.Spec.Fence == nil {
		return nil, nil, nil
	}
	if err := regular.Ensure(a.home.StatusFile(t.ID, gen), 0o600); err != nil { // a rule names a file that exists
		return nil, nil, fault.Wrap(fault.Failed, err, "make the status file")
	}
	read, write := a.generation(t, gen)
	p, err := a.policy(ctx, t, env, program, read, append(write, a.home.PrivateHome(t.ID)))
	if err != nil {
		return nil, nil, err
	}
	f, err := fence.Prepare(*p)
	if err != nil {
		return nil, nil, err
	}
	applied := event.FenceApplied(f.Applied())
	if err := errors.Join(f.Close(), replace.JSON(a.appliedPath(t, gen), applied)); err != nil {
		return nil, nil, err
	}
	return p, []event.Payload{applied}, nil
}

// appliedPath is the file with the fence of a generation, for a supervisor that finds the generation launched. The agent's
// side can neither read nor write it.
func (a agents) appliedPath(t life.Task, gen int) string {
	return filepath.Join(a.home.Gen(t.ID, gen).Dir, "fence.json")
}

// Facts implements fleet.Launcher.
func (a agents) Facts(t life.Task, gen int) ([]event.Payload, error) {
	sealed, err := a.sealed(t, gen)
	if err != nil || t.Spec.Fence == nil {
		return sealed, err
	}
	data, err := regular.Read(a.appliedPath(t, gen), maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return sealed, nil // a version that kept no such file has launched it
	}
	var applied event.FenceApplied
	if err == nil {
		err = json.Unmarshal(data, &applied)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read in which fence %s was started", t.ID)
	}
	return append(sealed, applied), nil
}

// policy returns what a process of a task may use, see boot.Fenced.Policy.
func (a agents) policy(ctx context.Context, t life.Task, env []string, program string, read, write []string) (*fence.Policy, error) {
	ofRepo, written, err := a.repo(ctx, t)
	if err != nil {
		return nil, err
	}
	p, err := boot.Fenced{Home: a.home, Task: t}.Policy(env, program, slices.Concat(read, ofRepo), slices.Concat(write, written))
	return &p, err
}

// writeShell writes the tighter fence for the commands of an agent, which cannot reach the agent's configuration directory.
func (a agents) writeShell(l agent.Launch, s *agent.Shell, p *fence.Policy) error {
	if s == nil || p == nil {
		return nil
	}
	if !filepath.IsLocal(s.Path) {
		return fault.New(fault.Failed, "a program of an agent is outside its directory: %q", s.Path)
	}
	inner := p.Without(a.home.PrivateHome(l.Task))
	inner.Read = slices.Concat(inner.Read, s.Read)
	return fence.Shell{Policy: inner, Program: s.Program, Drop: s.Drop}.Write(filepath.Join(l.Dirs().RO(), s.Path), a.exe)
}

// fencedEnv returns the environment of a task's processes with the places that its fence grants.
func (a agents) fencedEnv(t life.Task, env []string, configuration string) []string {
	return boot.Fenced{Home: a.home, Task: t}.Environ(env, configuration)
}

// seed makes the configuration directory of a fenced task's agents, or of a kind that always has its own. Once it is there it
// belongs to the agent. A kind with agent.Facts.OwnHome gets its files again, since they have the hooks: they are written within
// the directory, whatever links an agent has put there.
func (a agents) seed(ad agent.Adapter, l agent.Launch, t life.Task) error {
	dir, own := a.home.PrivateHome(l.Task), ad.Facts().OwnHome
	_, err := os.Lstat(dir)
	there := !errors.Is(err, fs.ErrNotExist)
	if l.Spec.Fence == nil && !own || there && !own {
		return nil
	}
	var files []agent.File
	if s, ok := ad.(agent.Seeder); ok {
		user, err := boot.Environ(a.home, t, l.Gen)
		if err != nil {
			return err
		}
		if files, err = s.Seed(l, user); err != nil {
			return err
		}
	}
	if there {
		return agent.Reseed(dir, files)
	}
	half := dir + ".new"
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o700)); err != nil {
		return fault.Wrap(fault.Failed, err, "make the agent's configuration directory")
	}
	if err := writeBelow(half, files); err != nil {
		return err
	}
	if err := os.Rename(half, dir); err != nil {
		return fault.Wrap(fault.Failed, err, "make the agent's configuration directory")
	}
	return nil
}

// slotsInside returns the lock files for checks that run in the agent's own process. A fenced agent has none: it could hold
// them for ever.
func (a agents) slotsInside(t life.Task) []string {
	if t.Spec.Fence != nil {
		return nil
	}
	return a.slots()
}
