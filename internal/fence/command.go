package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/spec"
)

// policyFile is the JSON form of a Policy, whose paths may hold any bytes.
type policyFile struct {
	Read  []spec.Text `json:"read"`
	Write []spec.Text `json:"write"`
	Unix  bool        `json:"unix,omitempty"`
	Ports []int       `json:"ports"` // null allows all, and an empty list none
}

// MarshalJSON encodes a policy for a spec file.
func (p Policy) MarshalJSON() ([]byte, error) {
	return json.Marshal(policyFile{spec.Texts(p.Read), spec.Texts(p.Write), p.Unix, p.Ports})
}

// UnmarshalJSON decodes what MarshalJSON encoded.
func (p *Policy) UnmarshalJSON(b []byte) error {
	var f policyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*p = Policy{Read: spec.Strings(f.Read), Write: spec.Strings(f.Write), Unix: f.Unix, Ports: f.Ports}
	return nil
}

// Command is a program to run in a fence which is no agent, such as a check: `muster launch FILE` becomes it.
type Command struct {
	Argv   []string // the first is looked up on the PATH of Env, unless it holds a slash
	Dir    string   // absolute
	Env    []string // the whole environment, NAME=VALUE
	Policy Policy
}

// commandFile is the format of a Command.
type commandFile struct {
	V      int         `json:"v"`
	Kind   spec.Kind   `json:"kind"`
	Argv   []spec.Text `json:"argv"`
	Dir    spec.Text   `json:"dir"`
	Env    []spec.Text `json:"env"`
	Policy Policy      `json:"policy"`
}

// Write writes the spec file of a command, readable by its owner only.
func (c Command) Write(path string) error {
	f := commandFile{spec.Version, spec.Fence, spec.Texts(c.Argv), spec.Text(c.Dir), spec.Texts(c.Env), c.Policy}
	return spec.Write(path, f, "spec of a fenced command")
}

// Become makes this process the command of a spec file, which it removes. It returns only if that failed, and the command has
// not run then.
func Become(path string) error {
	var f commandFile
	if err := spec.Read(path, spec.Fence, &f); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the spec of a fenced command: %w", err)
	}
	return Command{spec.Strings(f.Argv), string(f.Dir), spec.Strings(f.Env), f.Policy}.Exec()
}

// Exec makes this process the command. It returns only if that failed, and the command has not run then.
func (c Command) Exec() error {
	if len(c.Argv) == 0 || !filepath.IsAbs(c.Dir) {
		return fault.New(fault.Usage, "a fenced command has no program, or its directory is not absolute: %q", c.Dir)
	}
	if err := os.Chdir(c.Dir); err != nil {
		return fault.Wrap(fault.NotFound, err, "the directory of a fenced command cannot be entered")
	}
	program, err := run.LookPath(c.Argv[0], c.Env)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "no program %s", c.Argv[0]).WithHint("Install it, or name it with its path.")
	}
	f, err := Prepare(c.Policy)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was entered
	err = f.Exec(program, c.Argv, c.Env)
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(fault.Conflict, err, "%s cannot be started inside the fence", c.Argv[0]).
			WithHint("Add the directory of the program, or of its interpreter, to read under [fence].")
	}
	return err
}
