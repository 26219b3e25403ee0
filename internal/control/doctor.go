package control

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/host"
	"muster/internal/intake"
	"muster/internal/status"
	"muster/internal/tmux"
	"muster/internal/words"
)

// Levels of a finding.
const (
	LevelOK      = "ok"
	LevelWarning = "warning"
	LevelError   = "error"
)

// Finding is the state of one thing that a fleet depends on.
type Finding struct {
	Check string `json:"check"` // the thing that was checked
	Level string `json:"level"` // one of the levels above
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"` // the next step
}

// Diagnose checks everything that a fleet depends on: programs, state directory, memory and disk, logout, and the
// repository around dir with its agent. It works without a fleet and without a readable log, to find what is wrong
// with them.
func Diagnose(ctx context.Context, caller boot.Caller, dir string) []Finding {
	out := diagnosePrograms(ctx, caller.Environ)
	add := func(check, good string, err error) { out = append(out, finding(check, good, err)) }
	f, err := boot.Open(caller)
	add("state", string(f.Home), err)
	if err != nil {
		return out
	}
	add("log", f.Home.DB(), canOpen(ctx, caller))
	out = append(out, diagnoseMachine(f)...)
	repo, err := git.Open(ctx, dir, git.Env(caller.Environ))
	if err != nil {
		return append(out, Finding{Check: "repository", Level: LevelWarning, Text: err.Error(), Hint: fault.HintOf(err)})
	}
	add("repository", repo.Root, nil)
	return append(out, diagnoseAgent(ctx, f, repo, dir)...)
}

// finding returns the state of a thing that is good, or has an error.
func finding(check, good string, err error) Finding {
	if err != nil {
		return Finding{Check: check, Level: LevelError, Text: err.Error(), Hint: fault.HintOf(err)}
	}
	return Finding{Check: check, Level: LevelOK, Text: good}
}

// diagnosePrograms looks for the programs that a fleet with an environment starts itself.
func diagnosePrograms(ctx context.Context, env []string) []Finding {
	clean, _ := environ.ForLaunch(env, nil)
	v, err := tmux.Preflight(ctx, clean)
	path, missing := git.Program(clean)
	return []Finding{finding("tmux", v.String(), err), finding("git", path, missing)}
}

// canOpen returns an error if the log cannot be opened.
func canOpen(ctx context.Context, caller boot.Caller) error {
	c, err := Open(caller)
	if err != nil {
		return err
	}
	if _, err := c.open(ctx); err != nil {
		return err
	}
	return c.Close()
}

func diagnoseMachine(f boot.Fleet) []Finding {
	logout := Finding{Check: "logout", Level: LevelOK, Text: "agents outlive your session"}
	if _, warning := host.ReadLogind().Advice(); warning != "" {
		logout = Finding{Check: "logout", Level: LevelWarning, Text: warning}
	}
	admission := f.Room()
	room := Finding{Check: "room", Level: LevelOK, Text: fmt.Sprintf("%s at once, and %s", words.Count(f.Slots(), "agent"), words.Count(f.MaxChecks(), "check"))}
	if short := admission.Short(); short != "" {
		room = Finding{Check: "room", Level: LevelError, Text: short, Hint: "Free some, or lower the limit under [fleet] in config.toml."}
	}
	watch := Finding{Check: "watch", Level: LevelOK, Text: "the kernel reports changes of status files"}
	if err := status.CanWatch(f.Home.StatusDir()); err != nil {
		watch = Finding{Check: "watch", Level: LevelWarning, Text: err.Error() + ": they are read every second", Hint: fault.HintOf(err)}
	}
	return []Finding{logout, room, watch}
}

func diagnoseAgent(ctx context.Context, f boot.Fleet, repo *git.Repo, dir string) []Finding {
	cfg, err := config.Load(f.UserConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return []Finding{{Check: "config", Level: LevelError, Text: err.Error(), Hint: fault.HintOf(err)}}
	}
	out := []Finding{{Check: "config", Level: LevelOK, Text: fmt.Sprintf("%s, publish %s", words.Count(len(cfg.Checks), "check"), cfg.Task.Publish)}}
	if len(cfg.Checks) == 0 {
		out[0].Level, out[0].Hint = LevelWarning, "Without checks all work passes: `muster init` finds build and test commands."
	}
	if err := intake.New(f, dir).CheckAgent(ctx, cfg, repo.Root); err != nil {
		bad := Finding{Check: "agent", Level: LevelError, Text: strings.TrimPrefix(err.Error(), "agent "), Hint: fault.HintOf(err)}
		return append(out, bad, diagnoseFence(ctx, f.Caller, cfg, dir))
	}
	return append(out, Finding{Check: "agent", Level: LevelOK, Text: cfg.Task.Agent}, diagnoseFence(ctx, f.Caller, cfg, dir))
}
