package generic

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/recipe"
	"muster/internal/regular"
	"muster/internal/text"
)

// Kind is the kind of the agents that the configuration describes.
const Kind = "generic"

type adapter struct {
	agent.Pasted
	kind   string
	recipe *event.Recipe // nil if nothing describes the agent
	preset func() event.Recipe
}

// New returns the adapter for an agent with a description, which may be nil: hooks read it from the files of their generation.
func New(r *event.Recipe) agent.Adapter { return adapter{kind: Kind, recipe: r} }

// Facts implements agent.Adapter.
func (a adapter) Facts() agent.Facts {
	r := a.described()
	door := event.DoorPaste
	if r.Deliver == event.DeliverNone {
		door = event.DoorRespawn
	}
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP}
	end := agent.End{Signal: syscall.SIGTERM, Grace: r.Quit.Grace}
	if s, ok := signals[r.Quit.Signal]; ok {
		end.Signal = s
	}
	return agent.Facts{
		Kind:       a.kind,
		Traits:     event.Traits{Door: door, FirstRecord: r.FirstRecord, Resumes: len(r.Resume) > 0, ExitIsTurn: r.FirstRecord == 0},
		Interrupt:  agent.Interrupt{Keys: r.Quit.Interrupt},
		End:        end,
		Variables:  r.Variables,
		Home:       r.Home.Variable,
		Configures: r.Configures,
	}
}

// Typed implements agent.Channel.
func (a adapter) Typed(m mail.Message) []string {
	out := a.Pasted.Typed(m)
	last := len(out) - 1
	out[last] = agent.BeforeEnter(out[last])
	return out
}

// described returns the description; the defaults if there is none.
func (a adapter) described() event.Recipe {
	switch {
	case a.preset != nil:
		return a.preset()
	case a.recipe == nil:
		r, _ := recipe.Decode(nil)
		return r
	}
	return *a.recipe
}

// Bypasses implements agent.Bypasser.
func (a adapter) Bypasses(s event.Spec) bool {
	bypass := a.described().Bypass
	return slices.ContainsFunc(s.Args, func(arg string) bool { return slices.Contains(bypass, arg) })
}

// Check implements agent.Adapter.
func (a adapter) Check(_ context.Context, p agent.Preflight) error {
	if err := a.checkSpec(p.Spec); err != nil {
		return err
	}
	if err := agent.CheckEnvFrom(p); err != nil {
		return err
	}
	env := agent.FullEnv(p)
	program := a.command(p.Spec, false)[0]
	if _, err := agent.LookPath(program, p.Spec.Repo, env); err != nil {
		hint := "Install it, make it executable, or name it by its path."
		if install := a.described().Install; install != "" {
			hint = "Run: " + install
		}
		return fault.Wrap(fault.Conflict, err, "agent %s: no program %s", p.Spec.Agent, text.Line(program, 200)).WithHint("%s", hint)
	}
	return a.checkTrust(p.Spec, env, program)
}

// checkSpec returns an error for an agent without a description, and for arguments that would break a launch.
func (a adapter) checkSpec(s event.Spec) error {
	if a.recipe == nil && a.preset == nil {
		return fault.New(fault.Usage, "agent %s: nothing describes it", s.Agent).
			WithHint("Describe it in [agents.NAME] of muster.toml with kind = %q; docs/adapters.md shows how.", Kind)
	}
	r := a.described()
	if wrong := recipe.CheckCommand(a.command(s, false), r); len(wrong) > 0 {
		return fault.New(fault.Usage, "agent %s: %s %s", s.Agent, wrong[0].Key(), wrong[0].What).WithHint("%s", wrong[0].Hint)
	}
	for _, arg := range s.Args {
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(r.Refuse, name) {
			return fault.New(fault.Usage, "args of agent %s have %s, which muster sets itself or cannot work with", s.Agent, name).
				WithHint("Remove %s from args in muster.toml.", name)
		}
	}
	return nil
}

// command returns the words of a command line with their placeholders. What the user names as the command of a preset
// replaces its program.
func (a adapter) command(s event.Spec, resume bool) []string {
	r := a.described()
	words := r.Command
	if len(words) == 0 {
		words = s.Command
		if resume {
			return r.Resume
		}
		return words
	}
	if resume {
		words = r.Resume
	}
	if len(s.Command) > 0 {
		return slices.Concat(s.Command, words[1:])
	}
	return words
}

// home returns the directory in which the agent keeps its configuration; "" if it is not described.
func (a adapter) home(env []string) string {
	h := a.described().Home
	if dir := environ.Get(env, h.Variable); h.Variable != "" && filepath.IsAbs(dir) {
		return dir
	}
	if user := environ.Get(env, "HOME"); h.Dir != "" && user != "" {
		return filepath.Join(user, h.Dir)
	}
	return ""
}

// maxTrusted bounds the agent's configuration file, in bytes.
const maxTrusted = 4 << 20

// checkTrust returns an error if the agent would ask whether it may trust the worktrees of the repository. A fenced agent has a
// configuration of its own, which Seed writes.
func (a adapter) checkTrust(s event.Spec, env []string, program string) error {
	r := a.described()
	if r.Trusted.File == "" || s.Fence != nil && len(r.Seed) > 0 {
		return nil
	}
	b, err := agent.ReadSetup(filepath.Join(a.home(env), r.Trusted.File), maxTrusted)
	if err == nil && trusts(b, r.Trusted.List, s.Repo) {
		return nil
	}
	move := ""
	if dir := environ.Get(env, r.Home.Variable); r.Home.Variable != "" && dir != "" {
		move = r.Home.Variable + "=" + text.Quote(dir) + " "
	}
	return fault.New(fault.Conflict, "agent %s: %s has not been told to trust %s", s.Agent, program, s.Repo).
		WithHint("Run, and let it remember the folder: cd %s && %s%s", text.Quote(s.Repo), move, program)
}

// trusts reports whether a JSON file with comments lists a directory or one above it.
func trusts(file []byte, list, dir string) bool {
	var doc any
	if json.Unmarshal(agent.PlainJSON(file), &doc) != nil {
		return false
	}
	v, _ := recipe.At(doc, list)
	dirs, _ := v.([]any)
	return slices.ContainsFunc(dirs, func(v any) bool {
		above, ok := v.(string)
		if !ok || !filepath.IsAbs(above) {
			return false
		}
		rest, err := filepath.Rel(agent.RealPath(above), agent.RealPath(dir))
		return err == nil && filepath.IsLocal(rest)
	})
}

// Seed implements agent.Seeder.
func (a adapter) Seed(l agent.Launch, _ []string) ([]agent.File, error) {
	var out []agent.File
	values := a.values(l, "")
	seed := a.described().Seed
	for _, name := range sorted(seed) {
		out = append(out, agent.File{Path: name, Data: []byte(recipe.FillFile(name, seed[name], values)), Mode: 0o600})
	}
	return out, nil
}

// launchFile is what the hooks of a generation know, in home.Gen.RO.
type launchFile struct {
	Kind         string       `json:"kind"`
	Conversation string       `json:"conversation"`
	Session      string       `json:"session,omitempty"` // the agent's id of a conversation that is resumed
	Recipe       event.Recipe `json:"recipe"`
}

const (
	launchName = "recipe.json"
	// maxLaunch bounds that file, in bytes. A description is part of a configuration file, which is smaller.
	maxLaunch = 1 << 20
)

// readLaunch reads the file of a generation.
func readLaunch(dir string) (launchFile, bool) {
	var f launchFile
	b, err := regular.Read(filepath.Join(dir, launchName), maxLaunch)
	return f, err == nil && json.Unmarshal(b, &f) == nil
}
