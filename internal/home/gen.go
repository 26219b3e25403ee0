package home

import (
	"fmt"
	"os"
	"path/filepath"

	"muster/internal/event"
)

// Gen is where the files of one generation are. Each of its directories has one direction: what the agent's side
// writes is never read as something that muster wrote.
type Gen struct {
	// Dir is the directory of the generation. The agent's side neither reads nor writes the files in it.
	Dir string
	// Shared reports whether a version without these directions started the generation. RO and RW are Dir then.
	Shared bool
}

// SealName is the name in RO of the file with the secret by which a reviewer's verdict is recognised.
const SealName = "seal"

// RO holds what muster writes and the agent's side reads: settings, prompt, checks, messages and answers.
func (g Gen) RO() string { return g.sub("ro") }

// RW holds what the agent's side writes: requests, marks of what was taken, pipes, its own output.
func (g Gen) RW() string { return g.sub("rw") }

func (g Gen) sub(name string) string {
	if g.Shared {
		return g.Dir
	}
	return filepath.Join(g.Dir, name)
}

// GensDir holds the directories of generations.
func (d Dir) GensDir() string { return d.join("gen") }

// NewGen returns where a generation that is about to start has its files.
func (d Dir) NewGen(t event.TaskID, gen int) Gen {
	return Gen{Dir: filepath.Join(d.GensDir(), fmt.Sprintf("%s.%d", t, gen))}
}

// OldGenDir is where versions without GensDir had the files of a generation.
func (d Dir) OldGenDir(t event.TaskID, gen int) string {
	return filepath.Join(d.AttemptsDir(), fmt.Sprintf("%s.%d", t, gen))
}

// Gen returns where the files of a generation are. An agent that an older version started keeps its places until it
// ends, because its hooks are of that version.
func (d Dir) Gen(t event.TaskID, gen int) Gen {
	g := d.NewGen(t, gen)
	if _, err := os.Lstat(g.Dir); err == nil {
		return g
	}
	if old := d.OldGenDir(t, gen); isDir(old) {
		return Gen{Dir: old, Shared: true}
	}
	return g
}

func isDir(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.IsDir()
}
