//go:build planted

package fleettest

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mostSeeds is how many worlds are played at most to find a bug.
const mostSeeds = 200

var (
	plantedBug = flag.String("planted.bug", "", "the bug that is built into this program")
	onlyBug    = flag.String("planted.only", "", "plant this bug only")
)

// plan returns a world in which the bug shows.
func (b bug) plan(seed uint64) Plan {
	return Plan{Seed: seed, Tasks: 60, Slots: 6, Every: 5 * time.Minute, Faults: 100, Odds: b.odds}
}

// TestPlantedBugsAreFound builds this test once more for each bug, with the bug in the production code. The
// simulation must find the bug, and must find nothing in the same world without it.
func TestPlantedBugsAreFound(t *testing.T) {
	if *plantedBug != "" {
		return // this program has a bug, and runs TestFindPlantedBug
	}
	for _, b := range bugs {
		if *onlyBug != "" && *onlyBug != b.name {
			continue
		}
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			dir := t.TempDir()
			path, text := b.plant(t)
			mutant, overlay, program := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "fleettest.test")
			replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutant}})
			if err != nil {
				t.Fatal(err)
			}
			for file, data := range map[string][]byte{mutant: []byte(text), overlay: replace} {
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "planted", "-overlay", overlay, "-o", program, ".")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("build the program with the bug: %v\n%s", err, out)
			}
			found := filepath.Join(dir, "found.json")
			find := exec.CommandContext(t.Context(), program, "-test.run", "^TestFindPlantedBug$", "-planted.bug", b.name, "-planted.found", found)
			if out, err := find.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			data, err := os.ReadFile(found)
			if err != nil {
				t.Fatal(err)
			}
			var seen struct {
				Seed   uint64
				Script string
			}
			if err := json.Unmarshal(data, &seen); err != nil {
				t.Fatal(err)
			}
			if r := play(t, b.plan(seen.Seed)); len(r.Broken) > 0 {
				t.Fatalf("seed %d without the bug: %q", seen.Seed, r.Broken)
			}
			t.Logf("found by seed %d; %s", seen.Seed, seen.Script)
		})
	}
}

var foundFile = flag.String("planted.found", "", "where to write by which world the bug was found")

// TestFindPlantedBug runs in a program that has a bug.
func TestFindPlantedBug(t *testing.T) {
	if *plantedBug == "" {
		return // only the programs that TestPlantedBugsAreFound builds have a bug
	}
	for _, b := range bugs {
		if b.name != *plantedBug {
			continue
		}
		for seed := uint64(1); seed <= mostSeeds; seed++ {
			r := play(t, b.plan(seed))
			if len(r.Broken) == 0 {
				continue
			}
			if !strings.Contains(r.Broken[0], b.by) {
				t.Fatalf("seed %d: got %q, want something that says %q", seed, r.Broken, b.by)
			}
			data, err := json.Marshal(map[string]any{"Seed": seed, "Script": shorten(t, b.plan(seed), r)})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(*foundFile, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Fatalf("%q was not found in %d worlds", b.name, mostSeeds)
	}
	t.Fatalf("no bug is called %q", *plantedBug)
}
