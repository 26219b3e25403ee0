package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/agent"
	"muster/internal/boot"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/life"
	"muster/internal/run"
)

// repoPaths returns the files of a task's repository that its agent may read, and those that it may write.
type repoPaths func(ctx context.Context, t life.Task) (read, write []string, err error)

// agentPaths implements repoPaths.
func (w worktrees) agentPaths(ctx context.Context, t life.Task) (read, write []string, err error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	if t.Spec.Fence.Git == "read" {
		return []string{repo.Common}, nil, nil
	}
	return repo.AgentPaths(t.Worktree)
}

// generation returns the directories of a generation that its agent's side reads, and those that it writes.
func (a agents) generation(t life.Task, gen int) (read, write []string) {
	files := a.home.Gen(t.ID, gen)
	return []string{files.RO()}, []string{files.RW(), a.home.StatusFile(t.ID, gen)}
}

// fence returns the policy of a generation's process, nil if its task has no fence. It makes what the policy grants, and
// proves that this machine can enforce it: an error parks the task, and its agent never runs without the fence.
func (a agents) fence(ctx context.Context, t life.Task, gen int, argv []string) (*fence.Policy, []event.Payload, error) {
	if t.Spec.Fence == nil {
		return nil, nil, nil
	}
	if err := createFile(a.home.StatusFile(t.ID, gen)); err != nil { // a rule names a file that exists
		return nil, nil, fault.Wrap(fault.Failed, err, "make the status file")
	}
	read, write := a.generation(t, gen)
	env, err := boot.Environ(a.home, t, gen)
	if err != nil {
		return nil, nil, err
	}
	if path, err := run.LookPath(argv[0], env); err == nil {
		read = append(read, fence.Program(path)...)
	}
	p, err := a.policy(ctx, t, environ.Get(env, "HOME"), read, append(write, a.home.PrivateHome(t.ID)))
	if err != nil {
		return nil, nil, err
	}
	f, err := fence.Prepare(*p)
	if err != nil {
		return nil, nil, err
	}
	applied := f.Applied()
	return p, []event.Payload{event.FenceApplied(applied)}, f.Close()
}

// policy returns what a process of a task may use beside read and write.
func (a agents) policy(ctx context.Context, t life.Task, user string, read, write []string) (*fence.Policy, error) {
	temp, err := fence.MakeTemp(a.home, t.ID)
	if err != nil {
		return nil, err
	}
	read = append(read, a.home.BinDir())
	write = append(write, t.Worktree, temp)
	if dir := a.cacheDir(t); dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "make the directory for caches").WithHint("Check the free space of the disk.")
		}
		write = append(write, dir)
	}
	ofRepo, written, err := a.repo(ctx, t)
	if err != nil {
		return nil, err
	}
	p := fence.Grants(fence.Need{Fence: *t.Spec.Fence, User: user, Read: slices.Concat(read, ofRepo), Write: slices.Concat(write, written)})
	return &p, nil
}

// cacheDir returns the directory for the caches of a task's builds; "" if they are the user's own.
func (a agents) cacheDir(t life.Task) string {
	switch t.Spec.Fence.Cache {
	case "user":
		return ""
	case "task":
		return a.home.TaskCache(t.ID)
	}
	return a.home.RepositoryCache(t.Spec.GitDir)
}

// caches are the variables by which programs find their caches, and a name below the directory of a task's caches.
var caches = [][2]string{
	{"XDG_CACHE_HOME", "xdg"},
	{"GOCACHE", "go-build"},
	{"GOMODCACHE", "gomod"},
	{"npm_config_cache", "npm"},
	{"YARN_CACHE_FOLDER", "yarn"},
	{"YARN_GLOBAL_FOLDER", "yarn-global"},
	{"BUN_INSTALL_CACHE_DIR", "bun"},
	{"DENO_DIR", "deno"},
	{"CARGO_HOME", "cargo"},
	{"PIP_CACHE_DIR", "pip"},
	{"GRADLE_USER_HOME", "gradle"},
}

// gitSettings are what git must not try inside a fence: to sign, which needs a socket of the user's agent, and to tidy up the
// repository.
var gitSettings = [][2]string{{"commit.gpgsign", "false"}, {"tag.gpgsign", "false"}, {"gc.auto", "0"}, {"maintenance.auto", "false"}}

// fencedEnv returns the environment of a task's processes with the places that its fence grants. configuration is the variable
// for the agent's own configuration; "" is none. What the task sets itself stays. Without a fence nothing changes.
func (a agents) fencedEnv(t life.Task, env []string, configuration string) []string {
	if t.Spec.Fence == nil {
		return env
	}
	more := []string{"TMPDIR=" + a.home.TempDir(t.ID)}
	if dir := a.cacheDir(t); dir != "" {
		for _, c := range caches {
			more = append(more, c[0]+"="+filepath.Join(dir, c[1]))
		}
	}
	if _, set := t.Spec.Env["GIT_CONFIG_COUNT"]; !set {
		more = append(more, "GIT_CONFIG_COUNT="+strconv.Itoa(len(gitSettings)))
		for i, s := range gitSettings {
			more = append(more, "GIT_CONFIG_KEY_"+strconv.Itoa(i)+"="+s[0], "GIT_CONFIG_VALUE_"+strconv.Itoa(i)+"="+s[1])
		}
	}
	if configuration != "" {
		more = append(more, configuration+"="+a.home.PrivateHome(t.ID))
	}
	more = slices.DeleteFunc(more, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, set := t.Spec.Env[name]
		return set && name != configuration
	})
	return environ.Overlay(env, more...)
}

// seed makes the configuration directory of a fenced task's agents. Once it is there it belongs to the agent: nothing is
// written into it any more, because a link in it could lead anywhere.
func (a agents) seed(ad agent.Adapter, l agent.Launch) error {
	dir := a.home.PrivateHome(l.Task)
	if _, err := os.Lstat(dir); l.Spec.Fence == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var files []agent.File
	if s, ok := ad.(agent.Seeder); ok {
		user, err := boot.Environ(a.home, life.Task{ID: l.Task, Spec: l.Spec, Worktree: l.Worktree}, l.Gen)
		if err != nil {
			return err
		}
		if files, err = s.Seed(l, user); err != nil {
			return err
		}
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

// createFile makes an empty file if there is none.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}
