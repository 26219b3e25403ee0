package intake

import (
	"slices"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
)

// Options are the options of an order. An option that is not set takes its value from the configuration. The names
// are those of the flags of `muster dispatch` and of the keys of a tasks file.
type Options struct {
	Name     string   `toml:"name"`
	Repo     string   `toml:"repo"`
	Agent    string   `toml:"agent"`
	Command  string   `toml:"command"`
	Model    string   `toml:"model"`
	Base     string   `toml:"base"`
	Checks   []string `toml:"check"`
	NoChecks bool     `toml:"no_checks"`
	Publish  string   `toml:"publish"`
	After    []string `toml:"after"`
	Priority *int     `toml:"priority"`
	Rounds   *int     `toml:"rounds"`
	Attempts *int     `toml:"attempts"`
	Timeout  string   `toml:"timeout"`
	Setup    *string  `toml:"setup"`
	Env      []string `toml:"env"`
	Keep     string   `toml:"keep"`
	Fence    string   `toml:"fence"`
	Budget   []string `toml:"budget"`
	Scope    []string `toml:"scope"`
}

// Order is one task as a person ordered it.
type Order struct {
	Options
	Prompt string
	// Permission has the task's own rules, which come before those of the project.
	Permission []event.PermissionRule
	// Race is the number of its race among the orders of one dispatch; 0 for none. Orders with the same number are racers.
	Race int
	File string // its tasks file, for errors; "" for none
	Line int    // the first line of its table
}

// At adds the position in the tasks file to an error.
func (o Order) At(err error) error {
	switch {
	case o.File == "":
		return err
	case o.Line == 0:
		return fault.Wrap(fault.CodeOf(err), err, "%s", o.File)
	}
	return fault.Wrap(fault.CodeOf(err), err, "%s:%d", o.File, o.Line)
}

// with returns the options with those of t applied; lists are joined.
func (o Options) with(t Options) Options {
	text := func(dst *string, src string) {
		if src != "" {
			*dst = src
		}
	}
	text(&o.Name, t.Name)
	text(&o.Repo, t.Repo)
	text(&o.Agent, t.Agent)
	text(&o.Command, t.Command)
	text(&o.Model, t.Model)
	text(&o.Base, t.Base)
	text(&o.Publish, t.Publish)
	text(&o.Timeout, t.Timeout)
	text(&o.Keep, t.Keep)
	text(&o.Fence, t.Fence)
	o.Checks = append(slices.Clone(o.Checks), t.Checks...)
	o.Budget = append(slices.Clone(o.Budget), t.Budget...)
	o.Scope = append(slices.Clone(o.Scope), t.Scope...)
	o.Env = append(slices.Clone(o.Env), t.Env...)
	o.After = append(slices.Clone(o.After), t.After...)
	o.NoChecks = o.NoChecks || t.NoChecks
	for _, p := range []struct{ dst, src **int }{{&o.Priority, &t.Priority}, {&o.Rounds, &t.Rounds}, {&o.Attempts, &t.Attempts}} {
		if *p.src != nil {
			*p.dst = *p.src
		}
	}
	if t.Setup != nil {
		o.Setup = t.Setup
	}
	return o
}

// ParseDuration parses the duration of a flag into a variable. An empty s leaves the variable as it is.
func ParseDuration(flag, s string, into *time.Duration) error {
	if s == "" {
		return nil
	}
	d, ok := config.ParseDuration(s)
	if !ok || d < time.Second {
		return fault.New(fault.Usage, "--%s: %q is not a duration of a second or more", flag, s).WithHint("Use one such as 90s, 20m, 3h or 2d.")
	}
	*into = d
	return nil
}

// splitPair splits a flag's value of the form NAME=VALUE. form is used in errors.
func splitPair(flag, form, s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok || strings.TrimSpace(name) == "" {
		return "", "", fault.New(fault.Usage, "--%s: %q is not %s", flag, s, form).WithHint("Write --%s '%s'.", flag, form)
	}
	return strings.TrimSpace(name), value, nil
}
