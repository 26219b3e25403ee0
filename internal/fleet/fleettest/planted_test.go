//go:build planted

package fleettest

import (
	"strings"
	"testing"
	"time"

	"muster/internal/life"
)

// TestPlantedBugsAreFound plants bugs in the production code, one at a time, and expects that the simulation finds each
// of them, and nothing in the same worlds without it. They are in life and fleet where planted is asked.
func TestPlantedBugsAreFound(t *testing.T) {
	for bug, found := range map[string]struct {
		by   string
		odds map[string]int
	}{
		"drop an intent":        {by: "the log does not intend it"},
		"double a message":      {by: "arrived 2 times", odds: map[string]int{"the supervisor dies after pasting": 100}},
		"forget a deadline":     {by: "nothing will ever happen to it"},
		"ignore the generation": {by: "is obeyed, and"},
		"trust a failed probe": {by: "was ended, and started once more", odds: map[string]int{
			"listing panes fails": 100, "the supervisor dies after opening a window": 50,
		}},
	} {
		t.Run(strings.ReplaceAll(bug, " ", "_"), func(t *testing.T) {
			plan := func(seed uint64) Plan {
				return Plan{Seed: seed, Tasks: 60, Slots: 6, Every: 5 * time.Minute, Faults: 100, Odds: found.odds}
			}
			const most = 200
			for seed := uint64(1); ; seed++ {
				life.Planted = bug
				r := play(t, plan(seed))
				life.Planted = ""
				if len(r.Broken) == 0 && seed < most {
					continue
				}
				if len(r.Broken) == 0 || !strings.Contains(r.Broken[0], found.by) {
					t.Fatalf("seed %d: got %q, want something that says %q", seed, r.Broken, found.by)
				}
				if r := play(t, plan(seed)); len(r.Broken) > 0 {
					t.Fatalf("seed %d without the bug: %q", seed, r.Broken)
				}
				life.Planted = bug
				script := shorten(t, plan(seed), r)
				life.Planted = ""
				t.Logf("found by seed %d; %s", seed, script)
				return
			}
		})
	}
}
