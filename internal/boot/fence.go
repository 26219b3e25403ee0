package boot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/run"
)

// Fenced has the places of a task that has a fence: what is granted beside the system, and the variables that lead there.
type Fenced struct {
	Home home.Dir
	Task life.Task
}

// Policy returns what a process of the task with an environment may use: read, write, and what it needs to execute program;
// "" is one of the system's. It makes the directories that it grants.
func (f Fenced) Policy(env []string, program string, read, write []string) (fence.Policy, error) {
	temp, err := fence.MakeTemp(f.Home, f.Task.ID)
	if err != nil {
		return fence.Policy{}, err
	}
	write = append(slices.Clone(write), f.Task.Worktree, temp)
	if dir := f.cacheDir(); dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fence.Policy{}, fault.Wrap(fault.Failed, err, "make the directory for caches").WithHint("Check the free space of the disk.")
		}
		write = append(write, dir)
	}
	read = append(slices.Clone(read), f.Home.BinDir())
	if program != "" {
		if path, err := run.LookPath(program, env); err == nil {
			read = append(read, fence.Program(path)...)
		}
	}
	return fence.Grants(fence.Need{Fence: *f.Task.Spec.Fence, User: environ.Get(env, "HOME"), Read: read, Write: write}), nil
}

// cacheDir returns the directory for the caches of the task's builds; "" if they are the user's own.
func (f Fenced) cacheDir() string {
	switch f.Task.Spec.Fence.Cache {
	case event.CacheUser:
		return ""
	case event.CacheTask:
		return f.Home.TaskCache(f.Task.ID)
	}
	return f.Home.RepositoryCache(f.Task.Spec.GitDir)
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

// Environ returns an environment with the places that the fence grants. configuration is the variable for the agent's own
// configuration directory; "" is none. What the task sets itself stays. Without a fence nothing changes.
func (f Fenced) Environ(env []string, configuration string) []string {
	t := f.Task
	if t.Spec.Fence == nil {
		return env
	}
	more := []string{"TMPDIR=" + f.Home.TempDir(t.ID)}
	if dir := f.cacheDir(); dir != "" {
		for _, c := range caches {
			more = append(more, c[0]+"="+filepath.Join(dir, c[1]))
		}
	}
	if _, set := t.Spec.Env["GIT_CONFIG_COUNT"]; !set {
		more = append(more, git.ConfigEnv(gitSettings)...)
	}
	if configuration != "" {
		more = append(more, configuration+"="+f.Home.PrivateHome(t.ID))
	}
	more = slices.DeleteFunc(more, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, set := t.Spec.Env[name]
		return set && name != configuration
	})
	return environ.Overlay(env, more...)
}
