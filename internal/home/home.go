package home

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
)

// Dir is the absolute path of a state directory. One directory is one fleet.
type Dir string

// Find returns the state directory and the path of the user's configuration file, which may be missing. If
// MUSTER_HOME is set, both are in that directory, otherwise in the XDG directories. getenv is os.Getenv outside
// tests.
func Find(getenv func(string) string) (dir Dir, userConfig string, err error) {
	if h := getenv(environ.Home); h != "" {
		if !filepath.IsAbs(h) {
			return "", "", fault.New(fault.Usage, "MUSTER_HOME is not an absolute path: %q", h).
				WithHint("Set it to an absolute path, or unset it to use ~/.local/state/muster.")
		}
		return canonical(h), filepath.Join(h, "config.toml"), nil
	}
	state, err := xdg(getenv, "XDG_STATE_HOME", ".local/state")
	if err != nil {
		return "", "", err
	}
	conf, err := xdg(getenv, "XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", "", err
	}
	return canonical(filepath.Join(state, "muster")), filepath.Join(conf, "muster", "config.toml"), nil
}

// canonical resolves symbolic links in a directory whose last components may be missing. Processes are found by the
// paths of their locks and worktrees, and a person may spell one directory in two ways.
func canonical(dir string) Dir {
	dir = filepath.Clean(dir)
	rest := ""
	for at := dir; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return Dir(filepath.Join(real, rest))
		}
		if at == filepath.Dir(at) {
			return Dir(dir)
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// xdg returns one of the XDG base directories. A relative value is ignored, as the XDG specification requires.
func xdg(getenv func(string) string, name, below string) (string, error) {
	if d := getenv(name); filepath.IsAbs(d) {
		return d, nil
	}
	h := getenv("HOME")
	if !filepath.IsAbs(h) {
		return "", fault.New(fault.Conflict, "neither MUSTER_HOME nor HOME is set to an absolute path").
			WithHint("Set MUSTER_HOME to the directory for muster's state.")
	}
	return filepath.Join(h, below), nil
}

// Create makes the directory and its fixed subdirectories with mode 0700. It sets that mode on existing ones.
func (d Dir) Create() error {
	for _, p := range []string{string(d), d.StatusDir(), d.AttemptsDir(), d.GensDir(), d.JobsDir(), d.WorktreesDir(), d.BinDir()} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return fault.Wrap(fault.Failed, err, "create state directory").
				WithHint("Make %s writable, or point MUSTER_HOME elsewhere.", d)
		}
	}
	if st, err := os.Stat(string(d)); err == nil && st.Mode().Perm() == 0o700 {
		return nil // the disk may be mounted read-only, which is enough for queries
	}
	if err := os.Chmod(string(d), 0o700); err != nil { //nolint:gosec // a directory needs its x bit
		return fault.Wrap(fault.Failed, err, "make state directory private").
			WithHint("Become the owner of %s, and mount its disk for writing.", d)
	}
	return nil
}

// EnvNames lists the variables that orders have named in env_from, in addition to the allow-list.
func (d Dir) EnvNames() string { return d.join("env.names") }

// DB is the SQLite database.
func (d Dir) DB() string { return d.join("muster.db") }

// Lock is the kernel-level lock of the supervisor.
func (d Dir) Lock() string { return d.join("lock") }

// KeeperLock is the lock of the keeper.
func (d Dir) KeeperLock() string { return d.join("keeper.lock") }

// StartLock serialises the processes that start a tmux server or a keeper.
func (d Dir) StartLock() string { return d.join("start.lock") }

// FrontLock is held by a supervisor that runs in a person's terminal.
func (d Dir) FrontLock() string { return d.join("front.lock") }

// Upgrade is the request for another program. The keeper removes it when there is an outcome.
func (d Dir) Upgrade() string { return d.join("upgrade") }

// UpgradeOutcome has the outcome of the newest upgrade.
func (d Dir) UpgradeOutcome() string { return d.join("upgrade.outcome") }

// IntakeLock is held by the process that takes issues of a repository of a forge.
func (d Dir) IntakeLock(repo string) string {
	return d.join(fmt.Sprintf("intake-%.6x.lock", sha256.Sum256([]byte(repo))))
}

// UpgradeLock serialises upgrades.
func (d Dir) UpgradeLock() string { return d.join("upgrade.lock") }

// Down exists while the fleet was told to be down.
func (d Dir) Down() string { return d.join("down") }

// Env is the environment of the last `up` (0600), as NAME=VALUE entries that end with NUL.
func (d Dir) Env() string { return d.join("env") }

// EvidenceKey is the key under which the log names environments.
func (d Dir) EvidenceKey() string { return d.join("evidence.key") }

// ReplyKey is the key of the codes that the buttons of notices carry.
func (d Dir) ReplyKey() string { return d.join("reply.key") }

// Socket is the tmux socket, if its path is short enough.
func (d Dir) Socket() string { return d.join("tmux.sock") }

// TmuxConf is the generated tmux configuration.
func (d Dir) TmuxConf() string { return d.join("tmux.conf") }

// BinDir holds the copies of the program that panes and hooks run.
func (d Dir) BinDir() string { return d.join("bin") }

// PathDir contains only `muster`, a link to the fleet's program, for the PATH of agents.
func (d Dir) PathDir() string { return filepath.Join(d.BinDir(), "path") }

// Program is the link in PathDir to the fleet's program.
func (d Dir) Program() string { return filepath.Join(d.PathDir(), "muster") }

// Superseded lists the programs in BinDir that an upgrade replaced, one per line.
func (d Dir) Superseded() string { return filepath.Join(d.BinDir(), "superseded") }

// Pulse is the supervisor's heartbeat.
func (d Dir) Pulse() string { return d.join("pulse") }

// Looked is touched by a front end while a person looks at the fleet in it.
func (d Dir) Looked() string { return d.join("looked") }

// WebDir holds what lets a person into the page of the fleet, and a program into its JSON API.
func (d Dir) WebDir() string { return d.join("web") }

// Starting records how far the start of a supervisor is, until it is ready.
func (d Dir) Starting() string { return d.join("starting") }

// Log is the supervisor's own log, for people.
func (d Dir) Log() string { return d.join("supervisor.log") }

// StatusDir holds the status files of live generations, and the wake file.
func (d Dir) StatusDir() string { return d.join("status") }

// Wake is touched by a process that appended something that the supervisor should read.
func (d Dir) Wake() string { return filepath.Join(d.StatusDir(), "wake") }

// StatusFile is the status file of one generation, which the agent's side writes. It lies beside those of all other
// generations, so that one watch is enough for the fleet. A fence grants this file and not its directory, so it must
// exist before the fence closes.
func (d Dir) StatusFile(t event.TaskID, gen int) string {
	return filepath.Join(d.StatusDir(), fmt.Sprintf("%s.%d.jsonl", t, gen))
}

// AttemptsDir holds the files of tasks, and those of generations that a version without GensDir started.
func (d Dir) AttemptsDir() string { return d.join("attempts") }

// TaskDir holds the locks of a task.
func (d Dir) TaskDir(t event.TaskID) string { return filepath.Join(d.AttemptsDir(), string(t)) }

// AliveLock is held by the agent process of a task as long as it lives.
func (d Dir) AliveLock(t event.TaskID) string { return filepath.Join(d.TaskDir(t), "alive") }

// Cgroup is the name of the control group of a task's agents. It is unique among the fleets of the machine.
func (d Dir) Cgroup(t event.TaskID) string {
	sum := sha256.Sum256([]byte(d))
	return fmt.Sprintf("muster-%x-%s", sum[:6], t)
}

// CgroupNote has the path of the control group of a task's agents. It is missing if there is none.
func (d Dir) CgroupNote(t event.TaskID) string { return filepath.Join(d.TaskDir(t), "cgroup") }

// JobsDir holds the files of the jobs of all tasks. No agent and no step of a job is told about it or granted it,
// because it holds verdicts.
func (d Dir) JobsDir() string { return d.join("jobs") }

// TaskJobsDir holds the files of the jobs of a task.
func (d Dir) TaskJobsDir(t event.TaskID) string { return filepath.Join(d.JobsDir(), string(t)) }

// CheckLock is held by the running job of a task.
func (d Dir) CheckLock(t event.TaskID) string { return filepath.Join(d.TaskJobsDir(t), "lock") }

// OldCheckLock is where versions without JobsDir had CheckLock.
func (d Dir) OldCheckLock(t event.TaskID) string { return filepath.Join(d.TaskDir(t), "check") }

// JobDir holds the files of one job of a task, a round of checks or the setup: spec, logs, results.
func (d Dir) JobDir(t event.TaskID, job string) string { return filepath.Join(d.TaskJobsDir(t), job) }

// CheckSlot is the lock file of one slot. Running checks share the slots.
func (d Dir) CheckSlot(i int) string { return d.join(fmt.Sprintf("checkslot.%d", i)) }

// CheckSlots are the lock files of all slots.
func (d Dir) CheckSlots(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = d.CheckSlot(i)
	}
	return out
}

// TrialLock is held by the preflight that runs the checks of a base. There is one worktree for that.
func (d Dir) TrialLock() string { return d.join("trial.lock") }

// TrialDir is the worktree in which a preflight runs the checks of a base.
func (d Dir) TrialDir() string { return filepath.Join(d.WorktreesDir(), "trial") }

// PrivateHome is the configuration directory of a fenced task's agents, which all of its generations share. Conversations
// lie in it, so that a later generation finds them.
func (d Dir) PrivateHome(t event.TaskID) string { return filepath.Join(d.TaskDir(t), "home") }

// PrivateOf returns the private home, of a task of any fleet, that a path is or lies in; "" if it lies in none.
func PrivateOf(path string) string {
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if task := filepath.Dir(dir); filepath.Base(dir) == "home" && filepath.Base(filepath.Dir(task)) == "attempts" && event.IsTaskID(filepath.Base(task)) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// CacheDir holds the caches of fenced builds: one directory for each repository or task.
func (d Dir) CacheDir() string { return d.join("cache") }

// TaskCache holds the caches of the builds of one task.
func (d Dir) TaskCache(t event.TaskID) string { return filepath.Join(d.CacheDir(), string(t)) }

// RepositoryCache holds the caches that the builds of all tasks of a repository share. gitDir is its common git directory.
func (d Dir) RepositoryCache(gitDir string) string {
	sum := sha256.Sum256([]byte(gitDir))
	return filepath.Join(d.CacheDir(), fmt.Sprintf("repository-%x", sum[:8]))
}

// TempDir is the directory for temporary files of a fenced task. It is not in the state directory: the path of a Unix socket
// ends at 107 bytes.
func (d Dir) TempDir(t event.TaskID) string {
	sum := sha256.Sum256([]byte(d))
	return fmt.Sprintf("/tmp/muster-%d-%x/%s", os.Geteuid(), sum[:4], t)
}

// WorktreesDir holds the worktrees.
func (d Dir) WorktreesDir() string { return d.join("worktrees") }

// GitDir holds the git directories with which muster's own git works on repositories.
func (d Dir) GitDir() string { return d.join("git") }

// SetAsideDir holds the files of removed tasks that could neither be kept in their repository nor removed.
func (d Dir) SetAsideDir() string { return d.join("kept") }

// Worktree is the worktree of a task.
func (d Dir) Worktree(t event.TaskID, slug string) string {
	return filepath.Join(d.WorktreesDir(), Slugged(t, slug))
}

// Slugged is the name of a task in branches, sessions and directories: its id and slug.
func Slugged(t event.TaskID, slug string) string {
	if slug == "" {
		return string(t)
	}
	return string(t) + "-" + slug
}

func (d Dir) join(name string) string { return filepath.Join(string(d), name) }

// maxSlug bounds a slug in bytes; it keeps session names, branches and paths readable.
const maxSlug = 40

// Slug turns any text into a word of [a-z0-9-] that is safe in a branch, a path, a tmux session name and a shell. The
// result may be empty.
func Slug(text string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		} else {
			dash = true
		}
		if b.Len() >= maxSlug {
			break
		}
	}
	return strings.TrimRight(b.String(), "-")
}
