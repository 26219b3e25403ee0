package launch

import (
	"path/filepath"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/spec"
)

// Spec describes the agent process that a pane becomes. Its file may hold secrets: its mode is 0600, and only Argv appears on
// a command line.
type Spec struct {
	V    int          `json:"v"` // set by Write
	Task event.TaskID `json:"task"`
	Gen  int          `json:"gen"`
	Argv []string     `json:"argv"` // the first is looked up on the PATH of Env, unless it holds a slash
	Dir  string       `json:"dir"`  // absolute
	Env  []string     `json:"env"`  // the whole environment, NAME=VALUE, except for Terminal
	// Lock is locked from before the launched record until the agent and all processes that inherited the lock have
	// ended. "" takes no lock.
	Lock string `json:"lock,omitempty"`
	// Cgroup is the name of the control group to create for the agent, if the system permits one. CgroupNote is the
	// file to which its path is written, for the supervisor, which ends the processes in it. "" creates no group.
	Cgroup     string `json:"cgroup,omitempty"`
	CgroupNote string `json:"cgroup_note,omitempty"`
	StatusFile string `json:"status_file"`
	// Fence is what the program and everything that it starts may use; nil restricts nothing.
	Fence  *fence.Policy `json:"fence,omitempty"`
	NoFile uint64        `json:"no_file,omitempty"` // open files, up to the hard limit; 0 leaves the limit unchanged
	Umask  int           `json:"umask,omitempty"`   // 0 keeps it
	// Terminal adds TERM and COLORTERM as the pane has them.
	Terminal bool `json:"terminal,omitempty"`
	// Remove removes the spec file right before the exec, so that its secrets do not stay on disk.
	Remove bool `json:"remove,omitempty"`
}

// specFile is the format of a Spec. Its strings may hold any bytes, which plain JSON strings cannot.
type specFile struct {
	Kind spec.Kind `json:"kind"`
	Spec
	Argv []spec.Text `json:"argv"`
	Dir  spec.Text   `json:"dir"`
	Env  []spec.Text `json:"env"`
	// Fenced says whether there has to be a fence, so that a file which lost it starts no agent.
	Fenced bool `json:"fenced"`
}

// Write writes a spec file atomically, readable by its owner only.
func Write(path string, s Spec) error {
	s.V = spec.Version
	if err := s.check(); err != nil {
		return err
	}
	f := specFile{Kind: spec.Agent, Spec: s, Argv: spec.Texts(s.Argv), Dir: spec.Text(s.Dir), Env: spec.Texts(s.Env), Fenced: s.Fence != nil}
	return spec.Write(path, f, "launch spec")
}

// Read reads a spec file. It refuses a file that others may read or that belongs to another user, one that is too
// large, and one of another version.
func Read(path string) (Spec, error) {
	var f specFile
	if err := spec.Read(path, spec.Agent, &f); err != nil {
		return Spec{}, err
	}
	if f.Fenced != (f.Fence != nil) {
		return Spec{}, fault.New(fault.Conflict, "launch spec %s has lost its fence", path)
	}
	s := f.Spec
	s.Argv, s.Dir, s.Env = spec.Strings(f.Argv), string(f.Dir), spec.Strings(f.Env)
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
