package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/shlex"
	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/config"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/launch"
)

// parseSpan reads a duration as configuration files have them.
func parseSpan(s string) (time.Duration, bool) { return config.ParseDuration(s) }

// readTasksFile reads the tables of a tasks file; what a table leaves out comes from the flags.
func readTasksFile(env Env, o dispatchOptions, path string) ([]order, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.Dir, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "read tasks").WithHint("Give --file the path of a TOML file with [[task]] tables.")
	}
	type table struct {
		dispatchOptions
		Prompt     string `toml:"prompt"`
		PromptFile string `toml:"prompt_file"`
	}
	var doc struct {
		Task []table `toml:"task"`
	}
	dec := toml.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, tomlFault(filepath.Base(path), err)
	}
	if len(doc.Task) == 0 {
		return nil, fault.New(fault.Usage, "%s holds no [[task]]", path).WithHint("Add a table such as:\n  [[task]]\n  prompt = \"…\"")
	}
	var out []order
	for i, t := range doc.Task {
		where := fmt.Sprintf("%s: task %d", filepath.Base(path), i+1)
		prompt := t.Prompt
		if t.PromptFile != "" {
			p := t.PromptFile
			if !filepath.IsAbs(p) {
				p = filepath.Join(filepath.Dir(path), p)
			}
			text, err := os.ReadFile(p)
			if err != nil {
				return nil, fault.Wrap(fault.NotFound, err, "%s: read prompt_file", where)
			}
			prompt = string(text)
		}
		out = append(out, order{options: o.under(t.dispatchOptions), prompt: prompt, where: where})
	}
	return out, nil
}

// tomlFault says where a tasks file is wrong.
func tomlFault(name string, err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		row, col := strict.Errors[0].Position()
		return fault.New(fault.Usage, "%s:%d:%d: unknown key `%s`", name, row, col, strings.Join(strict.Errors[0].Key(), ".")).
			WithHint("The keys of [[task]] are those of the flags of `muster dispatch`, and prompt, prompt_file, after.")
	}
	if dec, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, col := dec.Position()
		return fault.New(fault.Usage, "%s:%d:%d: %s", name, row, col, dec.Error())
	}
	return fault.Wrap(fault.Usage, err, "%s", name)
}

// under lays the words of a table over those of the flags.
func (o dispatchOptions) under(t dispatchOptions) dispatchOptions {
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
	o.Checks = append(slices.Clone(o.Checks), t.Checks...)
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

// dispatcher turns orders into tasks; what it looked at for one order it knows for the next.
type dispatcher struct {
	env   Env
	fleet fleetEnv
}

// task freezes an order: configuration, flags, repository, agent. Everything that would stop the task at once is
// found here, where a person still sits.
func (d dispatcher) task(ctx context.Context, o order) (control.NewTask, error) {
	dir := o.options.Repo
	switch {
	case dir == "":
		dir = d.env.Dir
	case !filepath.IsAbs(dir):
		dir = filepath.Join(d.env.Dir, dir)
	}
	repo, err := git.Open(ctx, dir, git.Env(d.fleet.saved), git.Under(d.fleet.home.WorktreesDir()))
	if err != nil {
		return control.NewTask{}, err
	}
	_, userConfig, err := d.env.home()
	if err != nil {
		return control.NewTask{}, err
	}
	cfg, err := config.Load(userConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return control.NewTask{}, err
	}
	spec, err := d.spec(cfg, o)
	if err != nil {
		return control.NewTask{}, err
	}
	spec.Repo = repo.Root
	if spec.Base, err = base(ctx, repo, spec.Base); err != nil {
		return control.NewTask{}, err
	}
	ad, err := agent.New(spec.Kind)
	if err != nil {
		return control.NewTask{}, err
	}
	spec.Traits = ad.Traits()
	if err := d.checkAgent(ctx, spec); err != nil {
		return control.NewTask{}, err
	}
	return control.NewTask{Spec: spec, Prompt: o.prompt, AfterRefs: o.options.After}, nil
}

// spec lays flags over configuration.
func (d dispatcher) spec(cfg config.Config, o order) (event.Spec, error) {
	opt := o.options
	name := opt.Agent
	if name == "" {
		name = cfg.Task.Agent
	}
	if opt.Command != "" && opt.Agent == "" {
		name = "command"
	}
	ag, err := cfg.Agent(name)
	if err != nil {
		return event.Spec{}, err
	}
	spec := event.Spec{
		Summary: clean(firstLine(o.prompt), 200), Base: first(opt.Base, cfg.Task.Base),
		Agent: name, Kind: ag.Kind, Command: ag.Command, Args: ag.Args, Model: first(opt.Model, ag.Model),
		Env: map[string]string{}, EnvFrom: ag.EnvFrom, Trust: ag.Trust,
		Publish: cfg.Task.Publish, Checks: cfg.Checks, Setup: cfg.Workspace.Setup, Copy: cfg.Workspace.Copy,
		Priority: cfg.Task.Priority, Attempts: cfg.Task.Attempts, Respawns: cfg.Task.Respawns, Rounds: cfg.Task.Rounds,
		Timeout: cfg.Task.Timeout, WaitLimit: cfg.Task.WaitLimit, Keep: cfg.Task.Keep,
	}
	spec.Name = first(clean(opt.Name, 100), clean(spec.Summary, 60), "task")
	spec.Slug = home.Slug(spec.Name)
	for k, v := range ag.Env {
		spec.Env[k] = v
	}
	return spec, opt.apply(&spec)
}

// apply lays the flags over a spec.
func (o dispatchOptions) apply(spec *event.Spec) error {
	if o.Command != "" {
		argv, err := shlex.Split(o.Command)
		if err != nil || len(argv) == 0 {
			return fault.New(fault.Usage, "--command: %q cannot be split into words", o.Command).WithHint("Close its quotes.")
		}
		spec.Command = argv
	}
	for _, kv := range o.Env {
		k, v, err := splitPair("env", kv)
		if err != nil {
			return err
		}
		if config.LooksSecret(k) {
			return fault.New(fault.Usage, "--env: %s looks like a secret, and tasks are kept in the log", k).
				WithHint("Name it in env_from of [agents.%s] in muster.toml, and set it where `muster up` runs.", spec.Agent)
		}
		spec.Env[k] = v
	}
	if err := o.applyChecks(spec); err != nil {
		return err
	}
	for _, n := range []struct {
		flag string
		from *int
		to   *int
		min  int
	}{{"priority", o.Priority, &spec.Priority, -1000}, {"rounds", o.Rounds, &spec.Rounds, 1}, {"attempts", o.Attempts, &spec.Attempts, 1}} {
		if n.from == nil {
			continue
		}
		if *n.from < n.min || *n.from > 1000 {
			return fault.New(fault.Usage, "--%s: %d is out of range", n.flag, *n.from).WithHint("Use a number from %d to 1000.", n.min)
		}
		*n.to = *n.from
	}
	if o.Setup != nil {
		spec.Setup = *o.Setup
	}
	if err := errors.Join(parseDuration("timeout", o.Timeout, &spec.Timeout), parseDuration("keep", o.Keep, &spec.Keep)); err != nil {
		return err
	}
	if o.Publish != "" {
		spec.Publish = event.Publish(o.Publish)
	}
	if spec.Publish != event.PublishNone && spec.Publish != event.PublishBranch {
		return fault.New(fault.Usage, "publish %q: this version publishes to `none` or `branch`", spec.Publish).
			WithHint("Use --publish branch, then push the branch yourself.")
	}
	return nil
}

func (o dispatchOptions) applyChecks(spec *event.Spec) error {
	if o.NoChecks {
		if len(o.Checks) > 0 {
			return fault.New(fault.Usage, "--no-checks and --check exclude each other").WithHint("Leave one of them out.")
		}
		spec.Checks = nil
		return nil
	}
	spec.Checks = slices.Clone(spec.Checks)
	for _, kv := range o.Checks {
		name, cmd, err := splitPair("check", kv)
		if err != nil {
			return err
		}
		c, err := config.NewCheck(name, cmd)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(spec.Checks, func(old event.Check) bool { return old.Name == name }); i >= 0 {
			spec.Checks[i].Run = c.Run
			continue
		}
		spec.Checks = append(spec.Checks, c)
	}
	return nil
}

// base freezes what the branch starts from: a name that moves until the worktree is made, or @task.
func base(ctx context.Context, repo *git.Repo, base string) (string, error) {
	if id, ok := strings.CutPrefix(base, "@"); ok {
		if !event.IsTaskID(id) {
			return "", fault.New(fault.Usage, "--base: %q is not @ and a task's id", base).WithHint("Write --base @t3.")
		}
		return base, nil
	}
	if base == "" {
		branch, err := repo.CurrentBranch(ctx)
		if err != nil {
			return "", err
		}
		if base = branch; base == "" {
			return repo.Resolve(ctx, "HEAD")
		}
	}
	_, err := repo.Resolve(ctx, base)
	return base, err
}

// launchEnv is the environment that the agent would get, or what is missing in it.
func (d dispatcher) launchEnv(spec event.Spec) ([]string, error) {
	from := d.fleet.saved
	if held, err := launch.Held(d.fleet.home.Lock()); err == nil && !held {
		from = d.env.Environ // `up` will take this one
	}
	env, missing := launch.Environ(from, spec.EnvFrom)
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "agent %s needs %s, and the fleet's environment does not have it", spec.Agent, strings.Join(missing, ", ")).
			WithHint("Set it, then run `muster up`, which takes the environment anew.")
	}
	return with(env, spec.Env), nil
}

func firstLine(s string) string {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '#' }); line != "" {
			return line
		}
	}
	return ""
}

func first(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
