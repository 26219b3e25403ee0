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
	write = append(slices.Clone(write), temp)
	if f.Task.Spec.Fence.ReadOnly {
		read = append(slices.Clone(read), f.Task.Worktree)
	} else {
		write = append(write, f.Task.Worktree)
	}
	if dir := f.cacheDir(); dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fence.Policy{}, fault.Wrap(fault.Failed, err, "make the directory for caches").WithHint("Check the free space of the disk.")
		}
		write = append(write, dir)
		f.linkSettings(dir, environ.Get(env, "HOME"))
	}
	read = append(slices.Clone(read), f.Home.BinDir())
	// The project's file may set such a variable, and grants nothing by it.
	read = append(read, environ.Authorities(env, f.Task.Spec.Env)...)
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
	{"GOPATH", "go"}, // go adds no dependency where it cannot write what it knows of the checksum database
	{"GOCACHE", "go-build"},
	{"GOMODCACHE", "gomod"},
	{"npm_config_cache", "npm"},
	{"PNPM_HOME", "pnpm"},
	{"YARN_CACHE_FOLDER", "yarn"},
	{"YARN_GLOBAL_FOLDER", "yarn-global"},
	{"BUN_INSTALL_CACHE_DIR", "bun"},
	{"DENO_DIR", "deno"},
	{"CARGO_HOME", "cargo"},
	{"PIP_CACHE_DIR", "pip"},
	{"GRADLE_USER_HOME", "gradle"},
	{"MAVEN_USER_HOME", "maven"}, // of the wrapper
}

// mavenOptions moves Maven's repository, for which there is no variable. Maven splits MAVEN_OPTS at spaces.
func mavenOptions(dir string) []string {
	if strings.ContainsAny(dir, " \t") {
		return nil
	}
	return []string{"MAVEN_OPTS=-Dmaven.repo.local=" + filepath.Join(dir, "maven", "repository")}
}

// cargoSettings are the user's settings of cargo, which looks for them in CARGO_HOME.
const cargoSettings = "config.toml"

// linkSettings makes cargo find the user's settings among the caches. They are granted for reading. It follows no link that
// leads out of the caches, which builds can write; a link that is missing for that reason makes builds use the defaults.
func (f Fenced) linkSettings(dir, user string) {
	settings, exists := fence.Real(filepath.Join(user, ".cargo", cargoSettings))
	if user == "" || !exists {
		return
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close() //nolint:errcheck // a directory
	if root.MkdirAll("cargo", 0o700) == nil {
		_ = root.Symlink(settings, filepath.Join("cargo", cargoSettings)) // it may be there
	}
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
		more = append(more, mavenOptions(dir)...)
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
