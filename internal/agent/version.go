package agent

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/text"
)

// Version is what a program's --version must say.
type Version struct {
	Name    string                // of the product, for people
	Pattern func() *regexp.Regexp // with three groups: the parts of the version
	Oldest  [3]int                // the oldest version that the adapter accepts: the measured one
	Install string                // the command that installs the newest
	// Package begins the name of the npm package whose file names the version, so that the program need not be started; "" if it
	// must be.
	Package string
}

// maxPackage bounds a package.json, in bytes.
const maxPackage = 1 << 20

// PackageVersion returns the version of the package in which npm installed a program, whose name begins with prefix; "" if it is
// elsewhere. To start a program of Node costs seconds of a core.
func PackageVersion(program []string, prefix string) string {
	path, err := filepath.EvalSymlinks(program[0])
	if err != nil || len(program) > 1 {
		return ""
	}
	var pkg struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	b, err := ReadSetup(filepath.Join(filepath.Dir(path), "..", "package.json"), maxPackage)
	if err != nil || json.Unmarshal(b, &pkg) != nil || !strings.HasPrefix(pkg.Name, prefix) {
		return ""
	}
	return pkg.Version
}

// Check returns an error if a program is another one, or too old. It starts the program with --version if no package names it.
func (v Version) Check(ctx context.Context, p Preflight, env, program []string) error {
	said := ""
	if v.Package != "" {
		said = PackageVersion(program, v.Package)
	}
	if said == "" {
		res, err := run.Do(ctx, run.Cmd{Argv: append(slices.Clone(program), "--version"), Dir: p.Spec.Repo, Env: env, Timeout: 20 * time.Second})
		if err != nil {
			return fault.Wrap(fault.Conflict, err, "agent %s does not start", p.Spec.Agent).WithHint("Run: %s --version", program[0])
		}
		said = strings.TrimSpace(string(res.Stdout))
	}
	m := v.Pattern().FindStringSubmatch(said)
	if m == nil {
		return fault.New(fault.Conflict, "agent %s: %s is not %s: its version is %q", p.Spec.Agent, program[0], v.Name, text.Line(said, 100)).
			WithHint("Run: %s", v.Install)
	}
	var version [3]int
	for i := range version {
		version[i], _ = strconv.Atoi(m[i+1])
	}
	if slices.Compare(version[:], v.Oldest[:]) < 0 {
		return fault.New(fault.Conflict, "agent %s: %s %d.%d.%d is too old, muster needs %d.%d.%d or later", p.Spec.Agent, v.Name,
			version[0], version[1], version[2], v.Oldest[0], v.Oldest[1], v.Oldest[2]).
			WithHint("Run: %s", v.Install)
	}
	return nil
}
