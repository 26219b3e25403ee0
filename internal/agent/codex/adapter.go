package codex

import (
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

// The behaviour of Codex CLI was measured with version 0.171.0. The tests of this package run the real program where its
// behaviour is undocumented.

const (
	kind = "codex"
	// firstRecord is the timeout for the first record of a launch. The program itself takes two seconds. The first start in a home
	// also creates four databases, behind a screen that does not change; beside ten programs for each core that took 66 seconds.
	firstRecord = 3 * time.Minute
	homeVar     = "CODEX_HOME"
)

type adapter struct{ channel }

// New returns the adapter for Codex CLI.
func New() agent.Adapter { return adapter{} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:       kind,
		Traits:     event.Traits{Door: event.DoorPaste, FirstRecord: firstRecord, Resumes: true},
		Interrupt:  agent.Interrupt{Keys: []string{"Escape"}},                  // one Escape ends the turn
		End:        agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second}, // a graceful end takes a tenth of a second
		Variables:  []string{homeVar, "CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_*", "AZURE_OPENAI_API_KEY"},
		Home:       homeVar,
		Configures: []string{".codex/"},
	}
}

// Plan implements agent.Adapter. Everything that muster needs is set by flags of this one process, so that no file of the
// user is written.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := checkArgs(l.Spec.Args); err != nil {
		return agent.Plan{}, err
	}
	program, err := findProgram(l.Spec, l.Env)
	if err != nil {
		return agent.Plan{}, err
	}
	t := thread{Conversation: l.Conversation}
	argv := program
	if l.Resume {
		if t.ID = threadOf(l).ID; t.ID == "" {
			return agent.Plan{}, fault.New(fault.Conflict, "agent %s: the conversation %s has no thread to resume", l.Spec.Agent, l.Conversation)
		}
		argv = append(argv, "resume")
	}
	project, err := frozenProject(l)
	if err != nil {
		return agent.Plan{}, err
	}
	argv = append(argv, settings(l, project)...)
	argument, file := agent.FirstPrompt(l)
	argv = append(argv, userArgs(l)...)
	// After "--" a prompt cannot be taken for an option or a subcommand.
	argv = append(argv, "--")
	if l.Resume {
		argv = append(argv, t.ID)
	}
	files := []agent.File{
		{Path: threadName, Data: t.encode(), Mode: 0o600},
		agent.PromptFile(file),
	}
	return agent.Plan{
		Argv: append(argv, argument),
		Env:  []string{environ.PromptFile + "=" + agent.PromptPath(l)},
		// A request that was allowed after its process was gone is allowed once for the next process.
		Files: append(files, agent.Grants(l)...),
	}, nil
}

// successors are the models for which the agent proposes another one in a dialog before the first prompt, with the answer
// that the proposal is known (`codex debug models` of version 0.171.0).
var successors = []string{
	`"gpt-5.5"="gpt-6-sol"`, `"gpt-5.6-sol"="gpt-6-sol"`, `"gpt-5.6-terra"="gpt-6-sol"`, `"gpt-5.6-luna"="gpt-6-luna"`,
}

// settings returns the flags of a launch.
func settings(l agent.Launch, project project) []string {
	argv := []string{"--no-daemon", "--no-alt-screen"} // a shared server would run hooks with another agent's environment
	config := []string{
		"check_for_update_on_startup=false", // the version that was checked must stay the version that runs
		// Otherwise a dialog near a limit offers another model, and Enter accepts it.
		"notice.hide_rate_limit_model_nudge=true",
		"notice.model_migrations={" + strings.Join(successors, ",") + "}",
		"features.hooks=true", // a file of the worktree could switch them off
	}
	config = append(config, project.flags...)
	if isTrusted(l.Spec, l.Env) {
		config = append(config, "projects={"+tomlString(agent.RealPath(l.Worktree))+`={trust_level=`+tomlString(project.trust())+`}}`)
	}
	if names := logins(l); len(names) > 0 {
		config = append(config, "shell_environment_policy.exclude="+tomlStrings(names))
	}
	if instructions := instructions(l); instructions != "" {
		config = append(config, "developer_instructions="+tomlString(instructions))
	}
	for _, kv := range append(config, hookFlags(l)...) {
		argv = append(argv, "-c", kv)
	}
	switch {
	case l.Spec.Fence != nil:
		argv = append(argv, "-s", "danger-full-access") // the agent's own sandbox cannot start inside the fence
	case !choosesSandbox(l.Spec.Args):
		// muster's own verbs in the agent's shell write here.
		argv = append(argv, "--add-dir", l.Dirs().RW(), "--add-dir", filepath.Dir(l.Home.StatusFile(l.Task, l.Gen)))
	}
	if l.Spec.Model != "" {
		argv = append(argv, "-m", l.Spec.Model)
	}
	return argv
}

// logins returns the variables that hold the key of the model, which a fenced agent keeps from the commands of its model.
func logins(l agent.Launch) []string {
	if l.Spec.Fence == nil {
		return nil
	}
	names := []string{"CODEX_API_KEY", "CODEX_ACCESS_TOKEN", "OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"}
	u, _ := readUser(l.Env) // Check has reported what cannot be read
	if key := u.Providers[u.Provider].EnvKey; key != "" && !slices.Contains(names, key) {
		names = append(names, key)
	}
	return names
}

// tomlStrings returns texts as a list of TOML.
func tomlStrings(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = tomlString(s)
	}
	return "[" + strings.Join(out, ",") + "]"
}

// instructions returns the preamble and the user's own instructions of that place, which it would replace.
func instructions(l agent.Launch) string {
	u, _ := readUser(l.Env) // Check has reported what cannot be read
	return strings.TrimSpace(l.Preamble + "\n\n" + u.Instructions)
}

// findProgram returns the program with the arguments of a wrapper, if any.
func findProgram(spec event.Spec, env []string) ([]string, error) {
	return agent.FindProgram(spec, env, "codex", "npm install -g @openai/codex")
}

// ownedArgs are arguments that a launch sets itself, or that would disable its hooks or its screen.
var ownedArgs = map[string]string{
	"--no-daemon": "muster sets it", "--no-alt-screen": "muster sets it", "--remote": "hooks would run elsewhere",
	"--worktree": "muster makes the worktree", "-C": "muster makes the worktree", "--cd": "muster makes the worktree",
	"--dangerously-bypass-hook-trust": "it would run hooks that nobody trusts", "--": "muster puts the prompt behind it",
}

// ownedKeys are configuration keys that a launch sets itself.
var ownedKeys = []string{"hooks", "features.hooks", "developer_instructions", "projects", "check_for_update_on_startup"}

// checkArgs returns an error for arguments that break a launch.
func checkArgs(args []string) error {
	refuse := func(what, why string) error {
		return fault.New(fault.Usage, "args of agent %s have %s: %s", kind, what, why).
			WithHint("Remove %s from args in muster.toml.", what)
	}
	for i := range args {
		name, value, ok := agent.Argument(args, i)
		if why, owned := ownedArgs[name]; owned {
			return refuse(name, why)
		}
		if !ok || !slices.Contains(configArgs, name) {
			continue
		}
		key, _ := setting(value)
		first, _, _ := strings.Cut(key, ".")
		for _, k := range []string{first, key} {
			if slices.Contains(ownedKeys, k) {
				return refuse(k, "muster sets it")
			}
		}
	}
	return nil
}

// configArgs take a key and its value; sandboxArgs the mode of the agent's own sandbox.
var (
	configArgs  = []string{"-c", "--config"}
	sandboxArgs = []string{"-s", "--sandbox"}
)

// setting splits the value of an argument that sets a key of the configuration.
func setting(text string) (key, value string) {
	key, value, _ = strings.Cut(text, "=")
	return strings.TrimSpace(key), strings.Trim(strings.TrimSpace(value), `"'`)
}

// bypass is the option that switches both sandbox and questions off; the second is its older name.
var bypass = []string{"--dangerously-bypass-approvals-and-sandbox", "--yolo"}

// choosesSandbox reports whether the user's arguments set the sandbox.
func choosesSandbox(args []string) bool {
	for i := range args {
		name, value, _ := agent.Argument(args, i)
		if slices.Contains(sandboxArgs, name) || slices.Contains(bypass, name) || name == "--approve-for-me" {
			return true
		}
		if key, _ := setting(value); slices.Contains(configArgs, name) && key == "sandbox_mode" {
			return true
		}
	}
	return false
}

// userArgs returns the user's arguments. In a fence those for the agent's own sandbox are left out.
func userArgs(l agent.Launch) []string {
	if l.Spec.Fence == nil {
		return l.Spec.Args
	}
	var out []string
	for i := 0; i < len(l.Spec.Args); i++ {
		name, _, joined := agent.Option(l.Spec.Args[i])
		switch {
		case !slices.Contains(sandboxArgs, name):
			out = append(out, l.Spec.Args[i])
		case !joined:
			i++
		}
	}
	return out
}

// Bypasses implements agent.Bypasser.
func (adapter) Bypasses(s event.Spec) bool {
	return slices.ContainsFunc(s.Args, func(a string) bool { return slices.Contains(bypass, a) })
}

// The permission modes in the words of hooks: the agent either may ask, or never does.
const (
	modeAsks  = "default"
	modeNever = "bypassPermissions"
)

// Mode implements agent.Moder. Without an argument the user's own configuration decides.
func (a adapter) Mode(s event.Spec) string {
	if a.Bypasses(s) {
		return modeNever
	}
	mode := ""
	for i := range s.Args {
		name, value, _ := agent.Argument(s.Args, i)
		switch {
		case slices.Contains(configArgs, name):
			key, policy := setting(value)
			if key != "approval_policy" {
				continue
			}
			value = policy
		case name == "-a" || name == "--ask-for-approval":
		default:
			continue
		}
		mode = modeAsks
		if value == "never" {
			mode = modeNever
		}
	}
	return mode
}
