package control

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/git"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/run"
)

// Names that stand for a task in the paths of what runs fenced without one. That of doctor is removed again.
const (
	commandTask event.TaskID = "command"
	doctorTask  event.TaskID = "doctor"
)

// FencedCommand returns a command that runs in the checkout around dir as an agent would there. The checkout stands for the
// worktree. A repository's main checkout holds the git directory, which is therefore open to the command and is not to an agent.
func FencedCommand(ctx context.Context, caller boot.Caller, dir string, argv []string) (fence.Command, error) {
	return fencedCommand(ctx, caller, dir, argv, commandTask)
}

func fencedCommand(ctx context.Context, caller boot.Caller, dir string, argv []string, id event.TaskID) (fence.Command, error) {
	f, err := boot.Open(caller)
	if err != nil {
		return fence.Command{}, err
	}
	repo, err := git.Open(ctx, dir, git.Env(caller.Environ))
	if err != nil {
		return fence.Command{}, err
	}
	cfg, err := config.Load(f.UserConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return fence.Command{}, err
	}
	granted, err := intake.New(f, dir).Fence(cfg)
	if err != nil {
		return fence.Command{}, err
	}
	t := life.Task{ID: id, Worktree: repo.Root, Spec: event.Spec{Fence: granted, Repo: repo.Root, GitDir: repo.Common}}
	env, _ := environ.ForLaunch(caller.Environ, nil)
	if term := caller.Getenv("TERM"); term != "" {
		env = append(env, "TERM="+term)
	}
	places := boot.Fenced{Home: f.Home, Task: t}
	env = places.Environ(env, "")
	read, write := []string{repo.Common}, []string(nil)
	if linked, err := os.Lstat(filepath.Join(repo.Root, ".git")); err == nil && !linked.IsDir() && granted.Git != event.GitRead {
		if read, write, err = repo.AgentPaths(ctx, repo.Root); err != nil {
			return fence.Command{}, err
		}
	}
	p, err := places.Policy(env, argv[0], read, write)
	return fence.Command{Argv: argv, Dir: dir, Env: env, Policy: p}, err
}

// diagnoseFence tries the fence with a program that must fail to write outside of it, and names the directories of PATH that it
// does not grant.
func diagnoseFence(ctx context.Context, caller boot.Caller, cfg config.Config, dir string) Finding {
	out := Finding{Check: "fence", Level: LevelOK, Text: "on"}
	if cfg.Fence.Mode == config.FenceOff {
		out.Text = "off: agents and their checks may do what you may do"
		out.Hint = "Switch it on: mode = \"on\" under [fence] in " + config.ProjectFile + ". docs/security.md says what it keeps out."
	}
	wrong := func(err error) Finding {
		out.Text, out.Hint = err.Error(), fault.HintOf(err)
		if out.Level = LevelError; cfg.Fence.Mode == config.FenceOff {
			out.Level, out.Text = LevelWarning, "off, and it could not be switched on: "+out.Text
		}
		return out
	}
	inside, err := os.MkdirTemp("", "muster-fence-")
	if err != nil {
		return wrong(err)
	}
	defer os.RemoveAll(inside) //nolint:errcheck // a temporary directory
	if inside, err = filepath.EvalSymlinks(inside); err != nil {
		return wrong(err)
	}
	c, err := fencedCommand(ctx, caller, dir, []string{"sh", "-c", trial, "sh", filepath.Join(inside, "granted"), inside}, doctorTask)
	if err != nil {
		return wrong(err)
	}
	defer func() {
		temp := environ.Get(c.Env, "TMPDIR")
		_, _ = os.RemoveAll(temp), os.Remove(filepath.Dir(temp)) // the second fails while tasks have files there
	}()
	if err := os.Mkdir(filepath.Join(inside, "granted"), 0o700); err != nil {
		return wrong(err)
	}
	c.Policy.Write = append(c.Policy.Write, filepath.Join(inside, "granted"))
	spec := filepath.Join(inside, "spec.json")
	if err := c.Write(spec); err != nil {
		return wrong(err)
	}
	if res, err := run.Do(ctx, run.Cmd{Argv: []string{caller.Exe, "launch", spec}, Env: c.Env, Timeout: 20 * time.Second}); err != nil {
		return wrong(fault.Wrap(fault.Conflict, err, "the trial of the fence failed (%s)", strings.TrimSpace(string(res.Stderr))))
	}
	if _, err := os.Lstat(filepath.Join(inside, "outside")); err == nil {
		return wrong(fault.New(fault.Conflict, "a fenced program has written a file outside of its fence").
			WithHint("Do not rely on the fence on this machine, and report this."))
	}
	abi, _ := fence.ABI()
	if out.Text == "on" {
		out.Text = fmt.Sprintf("on, and it holds (Landlock ABI %d)", abi)
	}
	if closed := notGranted(c.Policy, environ.Get(c.Env, "PATH")); len(closed) > 0 {
		out.Text += "; not granted on PATH: " + strings.Join(closed, " ")
		if cfg.Fence.Mode == config.FenceOn {
			out.Level, out.Hint = LevelWarning, "Agents and checks cannot run programs there. Add what they need to read under [fence] in config.toml."
		}
	}
	return out
}

// trial is a script that can write into its first argument and fails if it can write into its second.
const trial = `echo x >"$1/file" || exit 3; if (echo x >"$2/outside") 2>/dev/null; then exit 4; fi`

// notGranted returns the directories of a PATH that exist and that a policy does not grant.
func notGranted(p fence.Policy, path string) []string {
	var out []string
	for _, dir := range filepath.SplitList(path) {
		if real, exists := fence.Real(dir); dir != "" && exists && !p.Covers(real) {
			out = append(out, dir)
		}
	}
	return out
}
