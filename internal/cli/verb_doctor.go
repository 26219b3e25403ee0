package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/environ"
	"muster/internal/words"

	"muster/internal/boot"
	"muster/internal/daemon"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"muster/internal/config"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/host"
	"muster/internal/intake"
	"muster/internal/store"
	"muster/internal/tmux"
)

const doctorHelp = `Look at everything that a night depends on, and say what to do about what is wrong: programs, state
directory, memory and disk, logout, this repository and its agent.

  muster doctor
  muster doctor --json`

// finding is one line of the doctor's report.
type finding struct {
	Check string `json:"check"`
	Level string `json:"level"` // ok, warning, error
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

func newDoctorCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "doctor", Short: "Say what is wrong here, and what to do about it", Long: doctorHelp, Args: cobra.NoArgs,
	}, groupSetup)
	result[[]finding]{
		get: func(ctx context.Context, _ []string) ([]finding, error) {
			found := diagnose(ctx, env)
			if slices.ContainsFunc(found, func(f finding) bool { return f.Level == "error" }) {
				return found, partial{quiet(fault.Failed)}
			}
			return found, nil
		},
		show: func(found []finding) error { return printFindings(env, found) },
	}.addTo(env, c)
	return c
}

func printFindings(env Env, found []finding) error {
	indent := strings.Repeat(" ", 22)
	for _, f := range found {
		text := f.Text
		if w := env.width() - len(indent); w > 20 {
			text = strings.ReplaceAll(ansi.Wordwrap(text, w, ""), "\n", "\n"+indent)
		}
		if _, err := fmt.Fprintf(env.Stdout, "%-8s %-12s %s\n", f.Level, f.Check, text); err != nil {
			return err
		}
		if f.Hint != "" {
			_, _ = fmt.Fprintf(env.Stdout, "%s%s\n", indent, f.Hint)
		}
	}
	return nil
}

// diagnose asks everybody who can tell.
func diagnose(ctx context.Context, env Env) []finding {
	var out []finding
	add := func(check, good string, err error) {
		if err != nil {
			out = append(out, finding{Check: check, Level: "error", Text: err.Error(), Hint: fault.HintOf(err)})
			return
		}
		out = append(out, finding{Check: check, Level: "ok", Text: good})
	}
	clean, _ := environ.ForLaunch(env.Environ, nil)
	v, err := tmux.Preflight(ctx, clean)
	add("tmux", v.String(), err)
	path, err := git.Program(clean)
	add("git", path, err)
	f, err := openFleet(env)
	add("state", string(f.Home), err)
	if err != nil {
		return out
	}
	db, err := store.Open(ctx, f.Home.DB(), store.Options{})
	if err == nil {
		err = db.Close()
	}
	add("log", f.Home.DB(), err)
	out = append(out, diagnoseMachine(f)...)
	repo, err := git.Open(ctx, env.Dir, git.Env(env.Environ))
	if err != nil {
		out = append(out, finding{Check: "repository", Level: "warning", Text: err.Error(), Hint: fault.HintOf(err)})
		return out
	}
	add("repository", repo.Root, nil)
	return append(out, diagnoseAgent(ctx, env, f, repo)...)
}

func diagnoseMachine(f boot.Fleet) []finding {
	var out []finding
	_, warning := host.ReadLogind().Advice()
	if warning != "" {
		out = append(out, finding{Check: "logout", Level: "warning", Text: warning})
	} else {
		out = append(out, finding{Check: "logout", Level: "ok", Text: "agents outlive your session"})
	}
	if gate := daemon.Room(f); gate != "" {
		out = append(out, finding{Check: "room", Level: "error", Text: gate, Hint: "Free some, or lower the limit under [fleet] in config.toml."})
	} else {
		out = append(out, finding{Check: "room", Level: "ok", Text: fmt.Sprintf("%s at once, and %s", words.Count(f.Slots(), "agent"), words.Count(f.MaxChecks(), "check"))})
	}
	return out
}

func diagnoseAgent(ctx context.Context, env Env, f boot.Fleet, repo *git.Repo) []finding {
	cfg, err := config.Load(f.UserConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return []finding{{Check: "config", Level: "error", Text: err.Error(), Hint: fault.HintOf(err)}}
	}
	out := []finding{{Check: "config", Level: "ok", Text: fmt.Sprintf("%s, publish %s", words.Count(len(cfg.Checks), "check"), cfg.Task.Publish)}}
	if len(cfg.Checks) == 0 {
		out[0].Level, out[0].Hint = "warning", "Without checks all work passes: `muster init` finds build and test commands."
	}
	if err := intake.New(f, env.Dir).CheckAgent(ctx, cfg, repo.Root); err != nil {
		return append(out, finding{Check: "agent", Level: "error", Text: strings.TrimPrefix(err.Error(), "agent "), Hint: fault.HintOf(err)})
	}
	return append(out, finding{Check: "agent", Level: "ok", Text: cfg.Task.Agent})
}
