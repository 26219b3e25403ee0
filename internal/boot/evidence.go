package boot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/replace"
)

// Evidence names the environments in which checks run, for the log. It is safe for concurrent use.
type Evidence struct {
	home home.Dir
	mu   sync.Mutex
	key  []byte
}

// NewEvidence returns the one of a fleet.
func NewEvidence(h home.Dir) *Evidence { return &Evidence{home: h} }

// evidenceKey is the size of the key of a fleet, in bytes.
const evidenceKey = 32

// conditions is everything that the machine adds to the verdict on a tree. Nothing in it belongs to one generation or one
// worktree, so that it is the same for each round of a task, and for a merge queue.
type conditions struct {
	Env   []string     `json:"env"`
	Fence *event.Fence `json:"fence"` // paths beside those of the worktree, which are always granted
	ABI   int          `json:"abi"`   // of what enforces the fence; 0 without one
	Path  []directory  `json:"path"`
	Shell string       `json:"shell"`
}

// directory is one of PATH: where it really is, and when a program was last added to it, replaced or removed.
type directory struct {
	Path    string `json:"path"`
	Changed int64  `json:"changed"`
}

// Environment returns a name of the environment that the checks of a task have now. Two names are equal only if all variables of the
// user, the fence and the directories of PATH are equal. It is a digest under a key of this fleet, which is not in the log: nobody
// who reads the log can find a secret in it by trying all that it could be.
func (e *Evidence) Environment(t life.Task) (string, error) {
	saved, err := environ.Load(e.home.Env())
	if err != nil {
		return "", err
	}
	c, err := conditionsOf(saved, e.home, t)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("name the environment of %s: %w", t.ID, err)
	}
	sum := hmac.New(sha256.New, e.secret())
	_, _ = sum.Write(b)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func conditionsOf(saved []string, h home.Dir, t life.Task) (conditions, error) {
	env, err := lasting(saved, h, t)
	if err != nil {
		return conditions{}, err
	}
	c := conditions{Env: quoted(env), Fence: t.Spec.Fence}
	if c.Fence != nil {
		if c.ABI, err = fence.ABI(); err != nil {
			c.ABI = -1 // the runner says why no command runs
		}
	}
	for i, dir := range filepath.SplitList(environ.Get(env, "PATH")) {
		at := directory{Path: dir}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			at.Path = real
		}
		if st, err := os.Stat(at.Path); err == nil && i > 0 { // the first one has muster alone, which an upgrade replaces
			at.Changed = st.ModTime().UnixNano()
		}
		c.Path = append(c.Path, at)
	}
	c.Shell, _ = filepath.EvalSymlinks("/bin/sh")
	return c, nil
}

// quoted returns variables in an order of their own, and as text: JSON would replace bytes that are not UTF-8.
func quoted(env []string) []string {
	last := map[string]string{}
	for _, kv := range env { // the last one counts, as in a process
		name, value, _ := strings.Cut(kv, "=")
		last[name] = value
	}
	out := make([]string, 0, len(last))
	for name, value := range last {
		out = append(out, fmt.Sprintf("%q=%q", name, value))
	}
	slices.Sort(out)
	return out
}

// secret returns the key of the fleet. It is made once. One that cannot be saved lasts as long as this process: verdicts of other
// supervisors are then not used again.
func (e *Evidence) secret() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.key != nil {
		return e.key
	}
	e.key, _ = replace.Secret(e.home.EvidenceKey(), evidenceKey)
	return e.key
}
