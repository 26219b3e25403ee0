package agent

import (
	"os"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/proof"
	"muster/internal/regular"
	"muster/internal/text"
)

// grantedDir is the directory of grants in home.Gen.RO. A grant is an empty file for a request that a person allowed
// after the asking generation was gone. Its name is the hash of the request, so it allows nothing else. In home.Gen.RW/used
// a file of that name is the mark that the grant was used.
const (
	grantedDir = "granted"
	usedDir    = "used"
)

// hashPattern matches a whole event.Ask.Hash. Tasks of older versions have another text in its place.
var hashPattern = text.Pattern(`^[0-9a-f]{64}$`)

// Grants returns the file for the granted request of a launch.
func Grants(l Launch) []File {
	if !hashPattern().MatchString(l.Granted) {
		return nil
	}
	return []File{{Path: filepath.Join(grantedDir, l.Granted), Mode: 0o600}}
}

// UseGrant reports whether a generation has an unused grant for a request, and marks it: a grant is used once.
func UseGrant(h home.Dir, task event.TaskID, gen int, ask event.Ask) bool {
	files := h.Gen(task, gen)
	if ask.Cut {
		return false
	}
	if st, err := os.Lstat(filepath.Join(files.RO(), grantedDir, ask.Hash)); err != nil || !st.Mode().IsRegular() {
		return false
	}
	if !(proof.Log{Home: h, Task: task, Gen: gen}).Granted(ask.Hash) {
		return false
	}
	used := filepath.Join(files.RW(), usedDir, ask.Hash)
	if os.MkdirAll(filepath.Dir(used), 0o700) != nil {
		return false
	}
	return regular.Mark(used, 0o600) == nil
}
