package agent

import (
	"context"
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
}

// Check runs the program with --version and returns an error if it is another program, or too old.
func (v Version) Check(ctx context.Context, p Preflight, env, program []string) error {
	res, err := run.Do(ctx, run.Cmd{Argv: append(slices.Clone(program), "--version"), Dir: p.Spec.Repo, Env: env, Timeout: 20 * time.Second})
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s does not start", p.Spec.Agent).WithHint("Run: %s --version", program[0])
	}
	said := strings.TrimSpace(string(res.Stdout))
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
