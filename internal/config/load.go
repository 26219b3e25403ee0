package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/permit"
	"muster/internal/regular"
)

// Load reads the user's file and the project's file over the defaults. A file may be missing, and a path may be empty.
// Every error is a fault.Usage that names file, line and column, or a fault.Failed for a file that can't be read.
func Load(userPath, projectPath string) (Config, error) {
	d := newDraft(Default())
	for _, layer := range []struct {
		path, name string
		scope      scope
	}{{userPath, userPath, userScope}, {projectPath, filepath.Base(projectPath), projectScope}} {
		data, err := read(layer.path)
		if err != nil {
			return Config{}, err
		}
		if err := d.lay(layer.name, layer.scope, data); err != nil {
			return Config{}, err
		}
	}
	if err := d.finish(); err != nil {
		return Config{}, err
	}
	return d.config(), nil
}

// read returns the content of a configuration file, or nil if it does not exist.
func read(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	info, err := os.Stat(path) // first, because opening a FIFO would block
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		if _, lerr := os.Lstat(path); lerr == nil {
			return nil, fault.New(fault.Usage, "%s: a link to a file that does not exist", path).
				WithHint("Repair the link or remove it.")
		}
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.Failed, err, "read configuration").WithHint("Make %s readable.", path)
	case info.IsDir():
		return nil, fault.New(fault.Usage, "%s: a directory, not a file", path).
			WithHint("Move it away; `muster init` writes a %s.", ProjectFile)
	case !info.Mode().IsRegular():
		return nil, fault.New(fault.Usage, "%s: not a regular file", path).WithHint("Put a text file in its place.")
	}
	f, err := regular.Follow(path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read configuration").WithHint("Make %s readable.", path)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read %s", path)
	}
	return data, nil
}

// finish checks what depends on several keys, and fills in values that default to others.
func (d *draft) finish() error {
	wrong := d.finishReviews()
	for _, c := range d.Checks {
		if c.Run == "" {
			wrong = append(wrong, complaint{
				where: d.place("checks." + c.Name), what: fmt.Sprintf("check `%s` has no `run`", c.Name),
				hint: fmt.Sprintf("Give its command: [checks.%s] run = \"…\"", c.Name),
			})
		}
		for _, part := range []string{".on", ".timeout"} {
			path := "checks." + c.Name + part
			if _, set := d.Origin[path]; !set {
				d.Origin[path] = originDefault
			}
		}
	}
	for _, name := range sortedKeys(d.agents) {
		if c := d.finishAgent(d.agents[name]); c != nil {
			c.where = d.place("agents." + name)
			wrong = append(wrong, *c)
			continue
		}
		wrong = append(wrong, d.finishRecipe(d.agents[name])...)
	}
	wrong = append(wrong, d.finishPrices()...)
	for _, r := range d.rules {
		if err := permit.Check(r.PermissionRule, kinds()); err != nil {
			c := asComplaint(err)
			c.where = r.at
			wrong = append(wrong, *c)
		}
	}
	wrong = append(wrong, d.finishAccounts()...)
	wrong = append(wrong, d.finishNotify()...)
	wrong = append(wrong, d.finishRecurring()...)
	wrong = append(wrong, d.finishForges()...)
	d.order()
	if len(wrong) == 0 {
		wrong = append(wrong, d.knownReviewers()...)
		if _, err := d.config().Agent(d.Task.Agent); err != nil {
			c := asComplaint(err)
			c.where, c.what = d.place("task.agent"), "task.agent: "+c.what
			wrong = append(wrong, *c)
		}
	}
	if d.Origin["task.wait_limit"] == originDefault {
		d.Task.WaitLimit, d.Origin["task.wait_limit"] = d.Fleet.Wait, d.Origin["fleet.wait"]
	}
	if rest, ok := strings.CutPrefix(d.Fleet.TmuxConf, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return fault.Wrap(fault.Usage, err, "%s: fleet.tmux_conf begins with ~", d.place("fleet.tmux_conf"))
		}
		d.Fleet.TmuxConf = filepath.Join(home, rest)
	}
	if err := d.expandFence(); err != nil {
		return err
	}
	return asError(wrong)
}

// order puts the rules into the order in which they are looked at. A project cannot allow what its user denies.
func (d *draft) order() {
	var denied, project, others []event.PermissionRule
	for _, r := range d.rules {
		switch {
		case r.scope == projectScope:
			project = append(project, r.PermissionRule)
		case r.Action == event.PermissionDeny:
			denied = append(denied, r.PermissionRule)
		default:
			others = append(others, r.PermissionRule)
		}
	}
	d.Permission, d.Denials = slices.Concat(denied, project, others), len(denied)
}

func (d *draft) finishAgent(a *Agent) *complaint {
	path := "agents." + a.Name
	if a.Kind == "" {
		switch {
		case slices.Contains(kinds(), a.Name):
			a.Kind = a.Name
		case len(a.Command) > 0:
			a.Kind = kindCommand
		default:
			return &complaint{
				what: fmt.Sprintf("agent `%s` has no `kind`", a.Name),
				hint: fmt.Sprintf("Give one of %s, or a `command`.", quoted(kinds())),
			}
		}
		d.Origin[path+".kind"] = originDefault
	}
	if a.Kind == kindCommand && len(a.Command) == 0 && a.Name != kindCommand {
		return &complaint{
			what: fmt.Sprintf("agent `%s` is of kind \"command\" and has no `command`", a.Name),
			hint: `Give it one, such as command = ["./agent.sh", "{prompt_file}"].`,
		}
	}
	for _, name := range a.EnvFrom {
		if _, both := a.Env[name]; both {
			return &complaint{
				what: fmt.Sprintf("agent `%s` has %s in `env` and in `env_from`", a.Name, name),
				hint: "Remove it from one of them.",
			}
		}
	}
	return nil
}

// place returns the position at which a path, or else the first key below it, was set.
func (d *draft) place(path string) string {
	if at, ok := d.setBy[path]; ok {
		return at
	}
	for _, k := range sortedKeys(d.setBy) {
		if strings.HasPrefix(k, path+".") {
			return d.setBy[k]
		}
	}
	return ProjectFile
}
