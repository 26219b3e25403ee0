package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/internal/agent"
	"muster/internal/agent/all"
	"muster/internal/boot"
	"muster/internal/cast"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/launch"
	"muster/internal/life"
	"muster/internal/mail"
	"muster/internal/proof"
)

// agents implements fleet.Launcher and fleet.Channel with the adapters of package agent.
type agents struct {
	home      home.Dir
	exe       string
	maxChecks int
	repo      repoPaths // nil in tests without fenced tasks
	base      baseFiles // nil in tests
}

// launch returns the adapter of a task and the description of a generation for it.
func (a agents) launch(t life.Task, gen int) (agent.Adapter, agent.Launch, error) {
	ad, err := all.For(t.Spec)
	if err != nil {
		return nil, agent.Launch{}, err
	}
	env, err := boot.Environ(a.home, t, gen)
	if err != nil {
		return nil, agent.Launch{}, err
	}
	env = a.fencedEnv(t, env, ad.Facts().Home)
	if f := ad.Facts(); f.OwnHome {
		env = environ.Overlay(env, f.Home+"="+a.home.PrivateHome(t.ID))
	}
	return ad, agent.Launch{
		Home: a.home, Task: t.ID, Gen: gen, Spec: t.Spec, Worktree: t.Worktree, Env: env, Exe: a.exe,
		Conversation: t.Conversation, Preamble: agent.Preamble(t.Spec),
	}, nil
}

// Ready implements fleet.Launcher.
func (a agents) Ready(ctx context.Context, o fleet.Order) (string, []event.Payload, error) {
	files := a.home.NewGen(o.Task.ID, o.Gen)
	box := mail.Of(files)
	if err := box.Create(); err != nil { // first: from now on the generation has its files here
		return "", nil, err
	}
	ad, l, err := a.launch(o.Task, o.Gen)
	if err != nil {
		return "", nil, err
	}
	if err := a.seed(ad, l, o.Task); err != nil {
		return "", nil, err
	}
	l.Prompt, l.Resume = o.Prompt, o.Resume && ad.Resumable(l)
	for _, m := range o.Messages {
		l.Messages = append(l.Messages, mail.Message(m))
	}
	l.GoOn = life.GoOn(o.Task.Agent.Why)
	l.Granted = o.Task.Granted
	if a.base != nil {
		l.Base = func(paths ...string) (map[string][]byte, error) { return a.base(ctx, o.Task, paths...) }
	}
	if err := os.MkdirAll(a.home.TaskDir(o.Task.ID), 0o700); err != nil {
		return "", nil, fault.Wrap(fault.Failed, err, "make the task's directory")
	}
	err = box.WriteChecks(o.Task.Spec.Checks, mail.CheckEnv{
		Task: o.Task.ID, Gen: o.Gen, Worktree: o.Task.Worktree, Slots: a.slotsInside(o.Task), Logs: filepath.Join(files.RW(), "checks"),
	})
	if err != nil {
		return "", nil, err
	}
	plan, err := ad.Plan(l)
	if err != nil {
		return "", nil, err
	}
	if err := a.writeFiles(files.RO(), l, append(plan.Files, agent.RuleFiles(l.Spec.Permission)...)); err != nil {
		return "", nil, err
	}
	policy, facts, err := a.fence(ctx, o.Task, o.Gen, l.Env, plan.Argv[0])
	if err != nil {
		return "", nil, err
	}
	sealed, err := a.seal(o.Task, o.Gen)
	if err != nil {
		return "", nil, err
	}
	facts = append(facts, sealed...)
	if err := a.writeShell(l, plan.Shell, policy); err != nil {
		return "", nil, err
	}
	spec := filepath.Join(files.Dir, "spec.json")
	return spec, facts, launch.Write(spec, launch.Spec{
		Task: o.Task.ID, Gen: o.Gen, Argv: plan.Argv, Dir: o.Task.Worktree, Env: environ.Overlay(l.Env, plan.Env...),
		Cgroup: a.home.Cgroup(o.Task.ID), CgroupNote: a.home.CgroupNote(o.Task.ID),
		Lock: a.home.AliveLock(o.Task.ID), StatusFile: a.home.StatusFile(o.Task.ID, o.Gen), Remove: true, Terminal: true, Fence: policy,
	})
}

// writeFiles writes the files that a generation reads at its start. They are not synced: after a power failure the
// generation that would read them never comes back.
func (a agents) writeFiles(dir string, l agent.Launch, files []agent.File) error {
	if err := writeBelow(dir, files); err != nil {
		return err
	}
	if slices.ContainsFunc(files, func(f agent.File) bool { return f.Path == "prompt.md" }) {
		return nil
	}
	// Every kind of agent also gets its prompt in a file.
	return os.WriteFile(filepath.Join(dir, "prompt.md"), []byte(l.Prompt), 0o600)
}

// writeBelow writes files into a directory.
func writeBelow(dir string, files []agent.File) error {
	for _, f := range files {
		if !filepath.IsLocal(f.Path) {
			return fault.New(fault.Failed, "an agent's file is outside its directory: %q", f.Path)
		}
		path := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fault.Wrap(fault.Failed, err, "make directory for %s", f.Path)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			return fault.Wrap(fault.Failed, err, "write %s", path).WithHint("Check the free space of the disk.")
		}
	}
	return nil
}

// slots returns the lock files that all running checks share.
func (a agents) slots() []string { return a.home.CheckSlots(a.maxChecks) }

func (a agents) box(t life.Task, gen int) mail.Box { return mail.Of(a.home.Gen(t.ID, gen)) }

// Typed implements fleet.Channel.
func (a agents) Typed(t life.Task, m fleet.Text) []string {
	ad, err := all.For(t.Spec)
	if err != nil {
		return agent.Keyboard{}.Typed(mail.Message(m))
	}
	return ad.Typed(mail.Message(m))
}

// Posture implements fleet.Channel.
func (a agents) Posture(_ context.Context, t life.Task, screen string, texts []string) (fleet.Posture, error) {
	ad, l, err := a.launch(t, t.Gen)
	if err != nil {
		return fleet.PostureUnknown, err
	}
	return fleet.Posture(ad.Posture(l, t.Agent.Process.PID, screen, texts)), nil
}

// Post implements fleet.Channel.
func (a agents) Post(_ context.Context, t life.Task, m fleet.Text) error {
	ad, l, err := a.launch(t, t.Gen)
	if err != nil {
		return err
	}
	return ad.Post(l, mail.Message(m))
}

// Confirm implements fleet.Channel.
func (a agents) Confirm(_ context.Context, t life.Task, gen int, id event.MessageID) (fleet.Trace, error) {
	ad, l, err := a.launch(t, gen)
	if err != nil {
		return "", err
	}
	d, err := ad.Delivered(l, id)
	if err != nil {
		return "", err
	}
	box := a.box(t, gen)
	waits, err := box.Waits(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	sight := life.Sighting{
		Acknowledged: d == agent.DeliveryAcknowledged, Enqueued: d == agent.DeliveryEnqueued, Absent: d == agent.DeliveryAbsent,
		InMailbox: waits, Newest: gen == t.Gen,
	}
	switch sight.Whereabouts() {
	case life.Arrived:
		return fleet.TraceArrived, box.Done(id)
	case life.InAgent:
		return fleet.TraceWaiting, nil
	case life.InMailbox:
		return fleet.TraceWaiting, box.Ring()
	case life.Dropped:
		if err = box.Return(id); errors.Is(err, mail.ErrNotWaiting) {
			return fleet.TraceNone, nil
		}
		return fleet.TraceWaiting, errors.Join(err, box.Ring())
	case life.Nowhere:
	}
	return fleet.TraceNone, nil
}

// Answer implements fleet.Channel.
func (a agents) Answer(_ context.Context, t life.Task, _ event.ActionID, args event.AnswerArgs) error {
	ad, l, err := a.launch(t, t.Gen)
	if err != nil {
		return err
	}
	answer := mail.Answer{Request: args.Request, Decision: string(args.Decision), Text: args.Text, Hash: args.Hash, Gen: t.Gen}
	err = ad.Answer(l, answer)
	if !errors.Is(err, mail.ErrAnswered) {
		return err
	}
	box := l.Box()
	other, readErr := box.Answered(args.Request)
	if readErr == nil && (proof.Log{Home: a.home, Task: t.ID, Gen: t.Gen}).Answered(other) {
		return err // an earlier answer stays
	}
	return box.Overrule(answer) // a process of the agent wrote the other one
}

// Retire implements fleet.Launcher. It moves the status file of an ended generation to its other files.
func (a agents) Retire(_ context.Context, t life.Task, gen int) error {
	err := os.Rename(a.home.StatusFile(t.ID, gen), filepath.Join(a.home.Gen(t.ID, gen).Dir, "status.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Credential implements fleet.Launcher. The fingerprint is of the file's size and time: its content is read by nobody.
func (a agents) Credential(t life.Task) string {
	ad, err := all.New(t.Spec.Kind)
	if err != nil {
		return ""
	}
	keeper, ok := ad.(agent.Credentialer)
	if !ok {
		return ""
	}
	env, err := boot.Environ(a.home, t, max(1, t.Gen))
	if err != nil {
		return ""
	}
	st, err := os.Stat(keeper.Credential(env))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %d", st.Size(), st.ModTime().UnixNano())
}

// Recorder implements fleet.Launcher.
func (a agents) Recorder(t life.Task, gen int) []string {
	if t.Spec.Recording == 0 {
		return nil
	}
	return cast.Command(a.exe, a.home, t.ID, gen, t.Spec.Recording)
}

// EndPolicy implements fleet.Launcher.
func (a agents) EndPolicy(t life.Task) fleet.EndPolicy {
	ad, err := all.For(t.Spec)
	if err != nil {
		return fleet.EndPolicy{}
	}
	f := ad.Facts()
	menu := f.Interrupt.Menu
	if len(menu) == 0 {
		menu = f.Interrupt.Keys
	}
	return fleet.EndPolicy{InterruptKeys: f.Interrupt.Keys, MenuKeys: menu, InterruptSignal: int(f.Interrupt.Signal), Grace: f.End.Grace}
}
