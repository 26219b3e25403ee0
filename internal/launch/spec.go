package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/replace"
)

// SpecVersion is the version of the spec files of agents and jobs. A program reads only its own: panes run the
// copy of the program that wrote the spec.
const SpecVersion = 1

// MaxSpec is the size of a spec file in bytes: a prompt of 100 KiB and an environment fit many times.
const MaxSpec = 1 << 20

// Spec is an agent process that a pane shall become. Its file holds secrets: it is 0600, and nothing of it
// stands in an argv but what Argv itself says.
type Spec struct {
	V    int          `json:"v"` // set by Write
	Task event.TaskID `json:"task"`
	Gen  int          `json:"gen"`
	Argv []string     `json:"argv"` // the first is looked up on the PATH of Env, unless it holds a slash
	Dir  string       `json:"dir"`  // absolute
	Env  []string     `json:"env"`  // the whole environment, NAME=VALUE; nothing is added
	// Lock is held exclusively from before the launched record until the agent and all that inherited it have
	// ended. "" takes none.
	Lock string `json:"lock,omitempty"`
	// Cgroup is the name of the control group to be made for the agent, where such may be made, and CgroupNote the file
	// that its path is written to, for whoever has to end what is in it. "" makes none.
	Cgroup     string `json:"cgroup,omitempty"`
	CgroupNote string `json:"cgroup_note,omitempty"`
	StatusFile string `json:"status_file"`
	NoFile     uint64 `json:"no_file,omitempty"` // open files, as far as the hard limit permits; 0 leaves the limit as it is
	Umask      int    `json:"umask,omitempty"`   // 0 leaves it as it is
	// Terminal adds TERM and COLORTERM as the pane has them.
	Terminal bool `json:"terminal,omitempty"`
	// Remove takes the spec file away right before the exec, so that its secrets do not stay on disk.
	Remove bool `json:"remove,omitempty"`
}

// specFile is how a Spec is written: its words may hold any bytes, which JSON alone would mangle.
type specFile struct {
	Kind kind `json:"kind"`
	Spec
	Argv []exact `json:"argv"`
	Dir  exact   `json:"dir"`
	Env  []exact `json:"env"`
}

// Write writes a spec file atomically, readable by its owner only.
func Write(path string, s Spec) error {
	s.V = SpecVersion
	if err := s.check(); err != nil {
		return err
	}
	f := specFile{Kind: kindAgent, Spec: s, Argv: exacts(s.Argv), Dir: exact(s.Dir), Env: exacts(s.Env)}
	return writeSpec(path, f, "launch spec")
}

// Read reads a spec file. It refuses one that others may read or that belongs to somebody else, one that is too
// large, and one of another version.
func Read(path string) (Spec, error) {
	var f specFile
	if err := readSpec(path, kindAgent, &f); err != nil {
		return Spec{}, err
	}
	s := f.Spec
	s.Argv, s.Dir, s.Env = words(f.Argv), string(f.Dir), words(f.Env)
	return s, s.check()
}

func (s Spec) check() error {
	switch {
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return fault.New(fault.Usage, "launch spec of %s: no program to run", s.Task)
	case !filepath.IsAbs(s.Dir):
		return fault.New(fault.Usage, "launch spec of %s: working directory is not absolute: %q", s.Task, s.Dir)
	case !filepath.IsAbs(s.StatusFile):
		return fault.New(fault.Usage, "launch spec of %s: status file is not absolute: %q", s.Task, s.StatusFile)
	}
	for _, w := range append(append([]string{s.Dir}, s.Argv...), s.Env...) {
		if strings.ContainsRune(w, 0) {
			return fault.New(fault.Usage, "launch spec of %s: an argument or variable holds a NUL byte", s.Task)
		}
	}
	return nil
}

// writeJSON writes what must outlast us: atomic, synced, 0600.
func writeJSON(path string, v any, what string) error {
	b, err := encode(v, what)
	if err != nil {
		return err
	}
	if err := replace.File(path, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

// writeSpec writes a spec: a new file, 0600. It is not synced. Whoever reads it is started afterwards, and what a loss
// of power takes, it takes from a process that is gone, too.
func writeSpec(path string, v any, what string) error {
	b, err := encode(v, what)
	if err != nil {
		return err
	}
	if err := writeNew(path, b); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

func encode(v any, what string) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	if len(b) > MaxSpec {
		return nil, fault.New(fault.Usage, "%s is too large: %d bytes of at most %d", what, len(b), MaxSpec).
			WithHint("Hand a long prompt over in a file: use {prompt_file} instead of {prompt}.")
	}
	return append(b, '\n'), nil
}

// writeNew writes a file that is ours alone, whatever stood at its path.
func writeNew(path string, data []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the caller's path
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// kind says what a spec file describes.
type kind string

const (
	kindAgent kind = "agent"
	kindJob   kind = "job"
)

// readSpec reads a spec file into v, once it is proven to be our own, private, of our version, and of the kind
// that is wanted.
func readSpec(path string, want kind, v any) error {
	b, err := readPrivate(path)
	if err != nil {
		return err
	}
	got, err := kindOf(path, b)
	if err != nil {
		return err
	}
	if got != want {
		return fault.New(fault.Usage, "%s is the spec of a %s, not of a %s", path, got, want)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read launch spec %s: %w", path, err)
	}
	return nil
}

// kindOf tells the kind of a spec, after its version, without which nothing else has a meaning.
func kindOf(path string, b []byte) (kind, error) {
	var head struct {
		V    int  `json:"v"`
		Kind kind `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", fmt.Errorf("read launch spec %s: %w", path, err)
	}
	if head.V != SpecVersion {
		return "", fault.New(fault.Conflict, "launch spec %s has version %d, this program reads %d", path, head.V, SpecVersion).
			WithHint("Start it with the copy of muster that wrote it, in the state directory's bin.")
	}
	return head.Kind, nil
}

// readPrivate reads a file of secrets.
func readPrivate(path string) ([]byte, error) {
	// O_NONBLOCK: a FIFO in its place must not hold us.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "no launch spec")
	}
	if err != nil {
		return nil, fmt.Errorf("open launch spec: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if err := private(f); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxSpec+1))
	if err != nil {
		return nil, fmt.Errorf("read launch spec: %w", err)
	}
	return b, nil
}

// private refuses a file that is not ours alone.
func private(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("read launch spec: %w", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fault.New(fault.Conflict, "launch spec %s is not a regular file", f.Name())
	case int(st.Uid) != os.Geteuid():
		return fault.New(fault.Conflict, "launch spec %s belongs to user %d, not to us", f.Name(), st.Uid)
	case st.Mode&0o077 != 0:
		return fault.New(fault.Conflict, "launch spec %s is open to others (mode %04o)", f.Name(), st.Mode&0o777).
			WithHint("It holds secrets; they may be known. Remove it and dispatch again.")
	case st.Size > MaxSpec+1:
		return fault.New(fault.Usage, "launch spec %s is too large: %d bytes of at most %d", f.Name(), st.Size, MaxSpec)
	}
	return nil
}

// exact is a string of any bytes. JSON keeps valid UTF-8 as it is; anything else is written as {"base64": …}.
type exact string

// MarshalJSON keeps every byte.
func (e exact) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(e)) {
		return json.Marshal(string(e))
	}
	return json.Marshal(struct {
		Base64 []byte `json:"base64"`
	}{[]byte(e)})
}

// UnmarshalJSON takes both forms.
func (e *exact) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*e = exact(s)
		return nil
	}
	var x struct {
		Base64 []byte `json:"base64"`
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	*e = exact(x.Base64)
	return nil
}

func exacts(in []string) []exact {
	out := make([]exact, len(in))
	for i, s := range in {
		out[i] = exact(s)
	}
	return out
}

func words(in []exact) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}
