package acp

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/recipe"
	"muster/internal/text"
)

// Kind is the kind of the agents that speak the protocol and are described by the configuration.
const Kind = "acp"

const (
	// Verb is the verb of muster that runs such an agent in its pane.
	Verb = "acp"
	// firstRecord is the timeout for the first record, which comes when the agent has opened a conversation.
	firstRecord = 2 * time.Minute
	// launchName is the file in home.Gen.RO that the program reads.
	launchName = "acp.json"
	// maxLaunch bounds that file, in bytes.
	maxLaunch = 16 << 20
)

type adapter struct {
	agent.Mailbox
	agent.Journaled
	recipe *event.Recipe // nil if nothing describes the agent
}

// New returns the adapter for an agent with a description, which may be nil.
func New(r *event.Recipe) agent.Adapter {
	return adapter{Journaled: agent.Journaled{Source: "acp.journal"}, recipe: r}
}

// described returns the description; an empty one if there is none.
func (a adapter) described() event.Recipe {
	if a.recipe == nil {
		return event.Recipe{}
	}
	return *a.recipe
}

// Facts implements agent.Adapter.
func (a adapter) Facts() agent.Facts {
	r := a.described()
	return agent.Facts{
		Kind:       Kind,
		Traits:     event.Traits{Door: event.DoorMailbox, FirstRecord: cmp.Or(r.FirstRecord, firstRecord), Resumes: true},
		Interrupt:  agent.Interrupt{Signal: syscall.SIGINT},
		End:        agent.End{Signal: syscall.SIGTERM, Grace: leave + 2*time.Second},
		Variables:  r.Variables,
		Home:       r.Home.Variable,
		Configures: r.Configures,
	}
}

// Bypasses implements agent.Bypasser.
func (a adapter) Bypasses(s event.Spec) bool {
	bypass := a.described().Bypass
	return slices.ContainsFunc(slices.Concat(s.Command, s.Args), func(arg string) bool { return slices.Contains(bypass, arg) })
}

// Check implements agent.Adapter.
func (a adapter) Check(_ context.Context, p agent.Preflight) error {
	if err := a.checkSpec(p.Spec); err != nil {
		return err
	}
	if err := agent.CheckEnvFrom(p); err != nil {
		return err
	}
	if _, err := agent.LookPath(p.Spec.Command[0], p.Spec.Repo, agent.FullEnv(p)); err != nil {
		hint := "Install it, make it executable, or name it by its path."
		if install := a.described().Install; install != "" {
			hint = "Run: " + install
		}
		return fault.Wrap(fault.Conflict, err, "agent %s: no program %s", p.Spec.Agent, text.Line(p.Spec.Command[0], 200)).WithHint("%s", hint)
	}
	return nil
}

// checkSpec returns an error for an agent without a command, and for arguments that would break a launch.
func (a adapter) checkSpec(s event.Spec) error {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return fault.New(fault.Usage, "agent %s: no command", s.Agent).
			WithHint("Set command in [agents.%s], such as command = [\"gemini\", \"--acp\"]; docs/agents.md shows how.", s.Agent)
	}
	for _, arg := range s.Args {
		name, _, _ := strings.Cut(arg, "=")
		if slices.Contains(a.described().Refuse, name) {
			return fault.New(fault.Usage, "args of agent %s have %s, which muster sets itself or cannot work with", s.Agent, name).
				WithHint("Remove %s from args in muster.toml.", name)
		}
	}
	return nil
}

// launchFile is what the program of a generation does.
type launchFile struct {
	Argv         []string `json:"argv"` // of the agent; the program is an absolute path
	Worktree     string   `json:"worktree"`
	Conversation string   `json:"conversation"`
	Session      string   `json:"session,omitempty"` // the agent's id of the conversation to take up; "" for a new one
	Model        string   `json:"model,omitempty"`   // to be chosen by the protocol
	// Parts are the first prompt: of a resumed conversation the words to go on and each message, of which it may have some already.
	Parts []string `json:"parts"`
	// Fresh is the prompt of a new conversation, for one that the agent does not have any more.
	Fresh string `json:"fresh,omitempty"`
}

// Plan implements agent.Adapter. The agent is a child of muster, which speaks with it; both are in the fence.
func (a adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := a.checkSpec(l.Spec); err != nil {
		return agent.Plan{}, err
	}
	if !filepath.IsAbs(l.Exe) {
		return agent.Plan{}, fault.New(fault.Failed, "start %s: %q is not an absolute path of muster", l.Spec.Agent, l.Exe)
	}
	words, model := words(l.Spec)
	program, err := agent.LookPath(words[0], l.Worktree, l.Env)
	if err != nil {
		return agent.Plan{}, fault.Wrap(fault.Conflict, err, "agent %s: no program %s", l.Spec.Agent, text.Line(words[0], 200)).
			WithHint("A relative path is looked up in the worktree: commit the program, or copy it there by [workspace] copy.")
	}
	words[0] = program
	file := launchFile{Argv: words, Worktree: l.Worktree, Conversation: l.Conversation, Model: model}
	argument, prompt := agent.FirstPrompt(l)
	argv := []string{l.Exe, Verb, filepath.Join(l.Dirs().RO(), launchName)}
	if l.Resume {
		if file.Session = agent.History(l).Session; file.Session == "" {
			return agent.Plan{}, fault.New(fault.Failed, "task %s: no conversation of %s to resume", l.Task, l.Spec.Agent)
		}
		argv = append(argv, file.Session)
		file.Parts = agent.PromptParts(l, argument)
		again := l
		again.Resume = false
		_, words := agent.FirstPrompt(again)
		file.Fresh = introduced(again, words)
	} else {
		file.Parts = []string{introduced(l, prompt)}
	}
	noted, err := json.Marshal(file)
	if err != nil {
		return agent.Plan{}, fmt.Errorf("encode the launch: %w", err)
	}
	files := []agent.File{agent.PromptFile(prompt), {Path: launchName, Data: noted, Mode: 0o600}}
	// A request that was allowed after its process was gone is allowed once for the next process.
	return agent.Plan{Argv: argv, Env: variables(l, a.described()), Files: append(files, agent.Grants(l)...)}, nil
}

// introduced returns the words of a first prompt with what every agent is told: the protocol has no other place for it.
func introduced(l agent.Launch, words string) string {
	return agent.Frame(l) + "\n\n" + l.Preamble + "\n" + words
}

// words returns the command line, and the model if it has no place in it. A word with {model} is left out without a model.
func words(s event.Spec) (argv []string, model string) {
	model = s.Model
	for _, w := range s.Command {
		if strings.Contains(w, "{model}") {
			model = ""
			if s.Model == "" {
				continue
			}
			w = strings.ReplaceAll(w, "{model}", s.Model)
		}
		argv = append(argv, w)
	}
	return append(argv, s.Args...), model
}

// variables returns the variables of a launch besides those that it has. A choice of the user stays.
func variables(l agent.Launch, r event.Recipe) []string {
	out := []string{environ.PromptFile + "=" + agent.PromptPath(l)}
	for _, name := range slices.Sorted(maps.Keys(r.Env)) {
		if _, ok := environ.Lookup(l.Env, name); !ok {
			out = append(out, name+"="+r.Env[name])
		}
	}
	return out
}

// Seed implements agent.Seeder.
func (a adapter) Seed(l agent.Launch, _ []string) ([]agent.File, error) {
	var out []agent.File
	values := map[string]string{"worktree": l.Worktree, "task": string(l.Task), "home": environ.Get(l.Env, "HOME")}
	seed := a.described().Seed
	for _, name := range slices.Sorted(maps.Keys(seed)) {
		out = append(out, agent.File{Path: name, Data: []byte(recipe.FillFile(name, seed[name], values)), Mode: 0o600})
	}
	return out, nil
}

// Hook implements agent.Adapter. Plan registers no hooks: the program writes the records.
func (adapter) Hook(context.Context, agent.HookCall) int { return 0 }

// Resumable implements agent.Adapter. The agent has said whether it can take up the conversation.
func (adapter) Resumable(l agent.Launch) bool {
	session := agent.History(l).Session
	if session == "" || strings.HasPrefix(session, "-") || text.Field(session, nameLimit) != session {
		return false // it becomes a word of a command line
	}
	how := ""
	for gen := 1; gen <= l.Gen; gen++ {
		agent.EachEntry(agent.JournalPath(l, gen), func(e agent.Entry) {
			if e.Type == entrySession && e.Session == session {
				how = e.Text
			}
		})
	}
	return how == methodLoad || how == methodResume
}
