package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/environ"
	"muster/internal/lock"
	"muster/internal/words"

	"muster/internal/boot"

	"github.com/google/shlex"

	"muster/internal/agent/all"
	"muster/internal/config"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/home"
)

// parseSpan reads a duration as configuration files have them.
func parseSpan(s string) (time.Duration, bool) { return config.ParseDuration(s) }

// dispatcher turns orders into tasks; what it looked at for one order it knows for the next.
type dispatcher struct {
	env       Env
	fleet     boot.Fleet
	checkouts map[string]*checkout // by directory
}

// checkout is what many orders have in common.
type checkout struct {
	repo   *git.Repo
	config config.Config
	bases  map[string]string // what a base was found to be
}

// checkout looks at a directory once.
func (d *dispatcher) checkout(ctx context.Context, dir string) (*checkout, error) {
	if c := d.checkouts[dir]; c != nil {
		return c, nil
	}
	repo, err := git.Open(ctx, dir, git.Env(d.fleet.Saved), git.Under(d.fleet.Home.WorktreesDir()))
	if err != nil {
		return nil, err
	}
	_, userConfig, err := d.env.home()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(userConfig, filepath.Join(repo.Root, config.ProjectFile))
	if err != nil {
		return nil, err
	}
	if d.checkouts == nil {
		d.checkouts = map[string]*checkout{}
	}
	d.checkouts[dir] = &checkout{repo: repo, config: cfg, bases: map[string]string{}}
	return d.checkouts[dir], nil
}

// task freezes an order: configuration, flags, repository, agent. Everything that would stop the task at once is
// found here, where a person still sits.
func (d *dispatcher) task(ctx context.Context, o order) (control.NewTask, error) {
	dir := o.options.Repo
	switch {
	case dir == "":
		dir = d.env.Dir
	case !filepath.IsAbs(dir):
		dir = filepath.Join(d.env.Dir, dir)
	}
	at, err := d.checkout(ctx, dir)
	if err != nil {
		return control.NewTask{}, err
	}
	spec, err := d.spec(at.config, o)
	if err != nil {
		return control.NewTask{}, err
	}
	spec.Repo = at.repo.Root
	if err := copies(spec); err != nil {
		return control.NewTask{}, err
	}
	if spec.Base, err = at.base(ctx, spec.Base, o.file != ""); err != nil {
		return control.NewTask{}, err
	}
	ad, err := all.New(spec.Kind)
	if err != nil {
		return control.NewTask{}, err
	}
	spec.Traits = ad.Facts().Traits
	if err := d.checkAgent(ctx, spec, o.prompt); err != nil {
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
		Summary: clean(words.FirstLine(o.prompt), 200), Base: cmp.Or(opt.Base, cfg.Task.Base),
		Agent: name, Kind: ag.Kind, Command: ag.Command, Args: ag.Args, Model: cmp.Or(opt.Model, ag.Model),
		Env: map[string]string{}, EnvFrom: ag.EnvFrom, Trust: ag.Trust,
		Publish: cfg.Task.Publish, Checks: cfg.Checks, Setup: cfg.Workspace.Setup, Copy: cfg.Workspace.Copy,
		Priority: cfg.Task.Priority, Attempts: cfg.Task.Attempts, Respawns: cfg.Task.Respawns, Rounds: cfg.Task.Rounds,
		Timeout: cfg.Task.Timeout, WaitLimit: cfg.Task.WaitLimit, Keep: cfg.Task.Keep,
		Silence: cfg.Task.Silence, SilenceInTool: cfg.Task.SilenceInTool,
	}
	spec.Name = cmp.Or(clean(opt.Name, 100), clean(spec.Summary, 60), "task")
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
		if err := config.CheckVariable(k, v); err != nil {
			return fault.Wrap(fault.Usage, err, "--env")
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
	return o.checkPublish(spec.Publish)
}

// checkPublish refuses the ways that this version does not know yet, before the work is done and cannot go on.
func (o dispatchOptions) checkPublish(p event.Publish) error {
	from := "publish in " + config.ProjectFile
	if o.Publish != "" {
		from = "--publish"
	}
	switch p {
	case event.PublishNone, event.PublishBranch:
		return nil
	case event.PublishPush, event.PublishPR, event.PublishMerge:
		return fault.New(fault.Usage, "%s: this version cannot publish by %q yet, only to a local branch", from, p).
			WithHint("Use --publish branch, then push or merge that branch yourself.")
	}
	return fault.New(fault.Usage, "%s: %q is no way to publish", from, p).WithHint("Use --publish branch or --publish none.")
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

// copies looks whether the files that each worktree is to get are there.
func copies(spec event.Spec) error {
	for _, name := range spec.Copy {
		if st, err := os.Stat(filepath.Join(spec.Repo, name)); err != nil || !st.Mode().IsRegular() {
			return fault.New(fault.Conflict, "there is no file %q in %s to copy into the worktree", name, spec.Repo).
				WithHint("Make it, or take it out of [workspace] copy in %s.", config.ProjectFile)
		}
	}
	return nil
}

// base freezes what the branch starts from: a name that moves until the worktree is made, or @task.
// In a file @ may stand before a name, which is resolved when the tasks have their ids.
func (c *checkout) base(ctx context.Context, base string, inFile bool) (string, error) {
	if id, ok := strings.CutPrefix(base, "@"); ok {
		if !event.IsTaskID(id) && !inFile {
			return "", fault.New(fault.Usage, "--base: %q is not @ and a task's id", base).WithHint("Write --base @t3.")
		}
		return base, nil
	}
	if found, ok := c.bases[base]; ok {
		return found, nil
	}
	found, err := c.resolve(ctx, base)
	if err == nil {
		c.bases[base] = found
	}
	return found, err
}

// resolve makes sure that a base exists; without one it is the branch checked out, or where none is, the commit.
func (c *checkout) resolve(ctx context.Context, base string) (string, error) {
	if base == "" {
		branch, err := c.repo.CurrentBranch(ctx)
		if err != nil {
			return "", err
		}
		if base = branch; base == "" {
			return c.repo.Resolve(ctx, "HEAD")
		}
	}
	_, err := c.repo.Resolve(ctx, base)
	return base, err
}

// launchEnv is the environment that the agent would get, or what is missing in it.
func (d dispatcher) launchEnv(spec event.Spec) ([]string, error) {
	from := d.fleet.Saved
	if held, err := lock.Held(d.fleet.Home.Lock()); err == nil && !held {
		from = d.env.Environ // `up` will take this one
	}
	env, missing := environ.ForLaunch(from, spec.EnvFrom)
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "agent %s needs %s, and the fleet's environment does not have it", spec.Agent, strings.Join(missing, ", ")).
			WithHint("Set it, then run `muster up`, which takes the environment anew.")
	}
	return boot.With(env, spec.Env), nil
}
