package opencode

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
)

// The behaviour of OpenCode was measured with version 1.18.33. The tests of this package run the real program where its
// behaviour is undocumented.

const (
	kind = "opencode"
	// firstRecord is the timeout for the first record of a launch, which comes when the prompt was taken. A first start also
	// installs packages; beside fifteen programs for each core it took three minutes.
	firstRecord = 5 * time.Minute
)

type adapter struct {
	agent.Mailbox
	agent.Journaled
}

// New returns the adapter for OpenCode.
func New() agent.Adapter { return adapter{Journaled: agent.Journaled{Source: "opencode.journal"}} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:      kind,
		Traits:    event.Traits{Door: event.DoorMailbox, FirstRecord: firstRecord, Resumes: true},
		Interrupt: agent.Interrupt{Keys: []string{"Escape", "Escape"}}, // the first one asks for the second
		End:       agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second},
		Variables: []string{"OPENCODE_*", "ANTHROPIC_*", "OPENAI_*", "GEMINI_*", "GOOGLE_*", "AWS_PROFILE", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK"},
		// Conversations and logins are below it. Plan moves the other directories of a fenced agent there too.
		Home:       dataHome,
		Configures: []string{".opencode/", "opencode.json", "opencode.jsonc"},
	}
}

// Bypasses implements agent.Bypasser.
func (adapter) Bypasses(s event.Spec) bool { return slices.Contains(s.Args, "--auto") }

// Plan implements agent.Adapter.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := checkArgs(l.Spec); err != nil {
		return agent.Plan{}, err
	}
	program, err := findProgram(l.Spec, l.Env)
	if err != nil {
		return agent.Plan{}, err
	}
	session := ""
	if l.Resume {
		if session = agent.History(l).Session; session == "" {
			return agent.Plan{}, fault.New(fault.Failed, "task %s: no conversation of OpenCode to resume", l.Task)
		}
	}
	argument, file := agent.FirstPrompt(l)
	var parts []string
	if l.Resume {
		parts = agent.PromptParts(l, argument)
	}
	instructions, err := json.Marshal(launchFile{
		Exe: l.Exe, RW: l.Dirs().RW(), Journal: agent.JournalName, Conversation: l.Conversation, Session: session, Frame: agent.Frame(l), Parts: parts,
	})
	if err != nil {
		return agent.Plan{}, fmt.Errorf("encode the launch: %w", err)
	}
	project, err := frozenProject(l)
	if err != nil {
		return agent.Plan{}, err
	}
	config, err := encodeConfig(l, project)
	if err != nil {
		return agent.Plan{}, err
	}
	files := []agent.File{
		{Path: pluginName, Data: plugin, Mode: 0o600},
		{Path: launchName, Data: instructions, Mode: 0o600},
		{Path: preambleName, Data: []byte(l.Preamble), Mode: 0o600},
		{Path: configName, Data: config, Mode: 0o600},
		agent.PromptFile(file),
	}
	argv := program
	if l.Spec.Model != "" {
		argv = append(argv, "--model", l.Spec.Model)
	}
	argv = append(argv, l.Spec.Args...)
	if l.Resume {
		argv = append(argv, "--session", session) // the plugin hands over the prompt: the program ignores one of a resumed session
	} else {
		argv = append(argv, "--prompt", argument)
	}
	// A request that was allowed after its process was gone is allowed once for the next process.
	return agent.Plan{
		Argv: argv, Env: append(variables(l, config), project.variables(l)...), Files: slices.Concat(files, project.files, agent.Grants(l)), Shell: shell(l),
	}, nil
}

// The directories of the agent below a fenced task's own configuration directory, which is its dataHome.
const (
	dataHome   = "XDG_DATA_HOME"
	configHome = "XDG_CONFIG_HOME"
	stateHome  = "XDG_STATE_HOME"
	configDir  = "config"
	stateDir   = "state"
)

// variables returns the variables that the agent needs in addition to those of the launch. A choice of the user stays.
func variables(l agent.Launch, config []byte) []string {
	env := []string{environ.PromptFile + "=" + agent.PromptPath(l)}
	if l.Spec.Fence != nil {
		home := l.Home.PrivateHome(l.Task)
		env = append(env, configHome+"="+filepath.Join(home, configDir), stateHome+"="+filepath.Join(home, stateDir))
	}
	own := []string{
		"OPENCODE_DISABLE_AUTOUPDATE=1",   // the version that was checked must stay the version that runs
		"OPENCODE_DISABLE_MODELS_FETCH=1", // the program has a list of models
		"OPENCODE_DISABLE_TERMINAL_TITLE=1",
	}
	if _, ok := environ.Lookup(l.Env, contentVariable); ok {
		own = append(own, fileVariable+"="+filepath.Join(l.Dirs().RO(), configName))
	} else {
		own = append(own, contentVariable+"="+string(config))
	}
	for _, kv := range own {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := environ.Lookup(l.Env, name); !ok {
			env = append(env, kv)
		}
	}
	return env
}

// findProgram returns the program with the arguments of a wrapper, if any.
func findProgram(spec event.Spec, env []string) ([]string, error) {
	return agent.FindProgram(spec, env, "opencode", "npm install -g opencode-ai")
}

// ownedArgs are arguments that a launch sets itself, or that would disable its plugin or open the agent's API to others.
var ownedArgs = map[string]string{
	"--session": "muster resumes", "-s": "muster resumes", "--continue": "muster resumes", "-c": "muster resumes",
	"--fork": "muster pins the conversation", "--prompt": "muster gives the prompt", "--pure": "it switches plugins off",
	"--port": "muster needs no port", "--hostname": "muster needs no port", "--mdns": "muster needs no port",
	"--model": "muster sets it from model", "-m": "muster sets it from model", "--": "muster gives the prompt",
	"--help": "muster needs the interactive program", "-h": "muster needs the interactive program", "--version": "muster needs the interactive program",
	"-v": "muster needs the interactive program",
}

// checkArgs returns an error for arguments that break a launch.
func checkArgs(spec event.Spec) error {
	for i, a := range spec.Args {
		name, _, _ := agent.Option(a)
		why, ok := ownedArgs[name]
		if i == 0 && !strings.HasPrefix(a, "-") {
			why, ok = "the program would run a command instead", true
		}
		if ok {
			return fault.New(fault.Usage, "args of agent %s have %s: %s", spec.Agent, name, why).
				WithHint("Remove %s from args in muster.toml.", name)
		}
	}
	return nil
}
