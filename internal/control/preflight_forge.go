package control

import (
	"context"

	"muster/internal/boot"
	"muster/internal/intake"
	"muster/internal/life"
)

// preflightForges asks each forge where tasks open pull requests whether the supervisor's login may do that.
func preflightForges(ctx context.Context, f boot.Fleet, tasks []life.Task) []Finding {
	var out []Finding
	seen := map[string]bool{}
	for _, t := range tasks {
		at := t.Spec.Forge
		if at == "" || seen[at] || t.State.Final() {
			continue
		}
		seen[at] = true
		notice, err := intake.CheckForge(ctx, f.Config, f.Environ, at)
		got := finding("forge", at+" takes pull requests of this login", err)
		if err == nil && notice != "" {
			got.Level, got.Text = LevelWarning, notice
		}
		out = append(out, got)
	}
	return out
}
