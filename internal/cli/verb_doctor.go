package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster/internal/control"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"muster/internal/fault"
)

const doctorHelp = `Check everything that a night depends on, and show how to fix what is wrong: programs, state
directory, memory and disk, logout, this repository and its agent.

  muster doctor
  muster doctor --json`

func newDoctorCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "doctor", Short: "Check this machine and repository, and show what to fix", Long: doctorHelp, Args: cobra.NoArgs,
	}, groupSetup)
	result[[]control.Finding]{
		get: func(ctx context.Context, _ []string) ([]control.Finding, error) {
			found := control.Diagnose(ctx, env.caller(), env.Dir)
			if slices.ContainsFunc(found, func(f control.Finding) bool { return f.Level == control.LevelError }) {
				return found, partial{quiet(fault.Failed)}
			}
			return found, nil
		},
		show: func(found []control.Finding) error { return printFindings(env, found) },
	}.addTo(env, c)
	return c
}

func printFindings(env Env, found []control.Finding) error {
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
