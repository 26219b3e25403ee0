package claude

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/run"
)

// The behaviour of Claude Code was measured with version 2.1.197. The tests of this package run the real program
// where its behaviour is undocumented.

const (
	kind         = "claude"
	settingsName = "settings.json" // in home.Gen.RO
	// firstRecord is the timeout for the first record of a launch: twelve agents that started at once took ten
	// seconds.
	firstRecord = 30 * time.Second
	// retries limits the agent's own retries of a failing model to about forty seconds. A longer failure ends the
	// turn, and the account rests by the fleet's rules, for all of its agents.
	retries = "6"
	// defaultMode is the permission mode if the user's arguments name none: edits in the worktree are allowed, and
	// anything else asks.
	defaultMode = "acceptEdits"
)

type adapter struct{ agent.Mailbox }

// New returns the adapter for Claude Code.
func New() agent.Adapter { return adapter{} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:      kind,
		Traits:    event.Traits{Door: event.DoorPaste, Aside: true, FirstRecord: firstRecord, Resumes: true},
		Interrupt: agent.Interrupt{Keys: []string{"Escape"}},                  // one Escape ends the turn and its tool
		End:       agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second}, // a graceful end takes half a second
		Variables: []string{
			"CLAUDE_CONFIG_DIR", "CLAUDE_CODE_USE_*", "CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_*", "AWS_PROFILE", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK",
			"CLOUD_ML_REGION", "GOOGLE_APPLICATION_CREDENTIALS",
		},
		Home:       "CLAUDE_CONFIG_DIR",
		Configures: []string{".claude/", ".claude-plugin/", ".mcp.json", "CLAUDE.md", "CLAUDE.local.md"},
	}
}

// Plan implements agent.Adapter.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := checkArgs(l.Spec.Args); err != nil {
		return agent.Plan{}, err
	}
	program, err := findProgram(l.Spec, l.Env)
	if err != nil {
		return agent.Plan{}, err
	}
	project, err := frozenProject(l)
	if err != nil {
		return agent.Plan{}, err
	}
	settings, err := encodeSettings(l, project)
	if err != nil {
		return agent.Plan{}, err
	}
	args, preamble := mergePreamble(l.Spec.Args, l.Preamble)
	argv := append(program, "--settings", filepath.Join(l.Dirs().RO(), settingsName))
	argv = append(argv, project.args(l)...)
	session := agentSession(l)
	if l.Resume {
		argv = append(argv, "--resume", session)
	} else {
		argv = append(argv, "--session-id", session)
	}
	if preamble != "" {
		argv = append(argv, "--append-system-prompt", preamble)
	}
	if l.Spec.Model != "" {
		argv = append(argv, "--model", l.Spec.Model)
	}
	if chosenMode(args) == "" {
		argv = append(argv, "--permission-mode", defaultMode)
	}
	env := variables(l, session)
	if s := shell(l); s != nil {
		env = append(env, "CLAUDE_CODE_SHELL_PREFIX="+filepath.Join(l.Dirs().RO(), s.Path))
	}
	if project.changed {
		env = append(env, instructionsVariable+"=1")
	}
	argument, file := agent.FirstPrompt(l)
	files := []agent.File{
		{Path: settingsName, Data: settings, Mode: 0o600},
		{Path: sessionName, Data: []byte(session + "\n"), Mode: 0o600},
		agent.PromptFile(file),
	}
	// After "--" a prompt cannot be taken for an option, and no option with a list takes the prompt.
	argv = append(append(argv, args...), "--", argument)
	return agent.Plan{
		Argv: argv,
		Env:  env,
		// A request that was allowed after its process was gone is allowed once for the next process.
		Files: append(files, agent.Grants(l)...),
		Shell: shell(l),
	}, nil
}

// variables returns the variables that the agent needs in addition to those of the launch. A choice of the user stays.
func variables(l agent.Launch, session string) []string {
	env := []string{environ.PromptFile + "=" + agent.PromptPath(l)}
	for _, kv := range []string{
		"DISABLE_AUTOUPDATER=1", // the version that was checked must stay the version that runs
		"CLAUDE_CODE_MAX_RETRIES=" + retries,
		// Newer versions use the alternate screen, which keeps no history to read in the morning.
		"CLAUDE_CODE_DISABLE_ALTERNATE_SCREEN=1",
		// Enter in an empty input would send a suggested prompt. The variable overrides the settings.
		"CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION=false",
		// Otherwise a dialog asks whether to summarise a long conversation before it is resumed.
		"CLAUDE_CODE_RESUME_THRESHOLD_MINUTES=100000000",
		"CLAUDE_CODE_RESUME_TOKEN_THRESHOLD=1000000000",
	} {
		name, _, _ := strings.Cut(kv, "=")
		if _, ok := environ.Lookup(l.Env, name); !ok {
			env = append(env, kv)
		}
	}
	if session != l.Conversation {
		env = append(env, environ.Alias+"="+session+"="+l.Conversation)
	}
	if l.Spec.Trust == "sandboxed" {
		env = append(env, "CLAUDE_CODE_SANDBOXED=1")
	}
	return env
}

// shell returns the fence of the commands that the agent runs for its model, and of the servers that it starts; nil without a fence.
// The agent writes the user's functions and aliases into a file that each command reads first.
func shell(l agent.Launch) *agent.Shell {
	if l.Spec.Fence == nil || !fence.Nests {
		return nil
	}
	return &agent.Shell{
		Path: "shell", Program: loginShell(l.Env), Drop: slices.Concat(logins, otherKeys), Read: []string{filepath.Join(agent.RealPath(configDir(l.Env)), "shell-snapshots")},
	}
}

// loginShell returns the shell for which the agent writes its command lines: the user's if it is bash or zsh, and otherwise bash.
func loginShell(env []string) string {
	for _, name := range []string{"CLAUDE_CODE_SHELL", "SHELL"} {
		path := environ.Get(env, name)
		if base := filepath.Base(path); filepath.IsAbs(path) && (base == "bash" || base == "zsh") {
			return path
		}
	}
	if path, err := run.LookPath("bash", env); err == nil && filepath.IsAbs(path) {
		return path
	}
	return "/bin/sh"
}

// otherKeys are variables with keys of other services that sell the model, and with headers of its requests.
var otherKeys = []string{
	"AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_FOUNDRY_API_KEY", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_IDENTITY_TOKEN",
	"ANTHROPIC_AWS_API_KEY", "CLAUDE_CODE_SESSION_ACCESS_TOKEN",
}

// findProgram returns the program with the arguments of a wrapper, if any.
func findProgram(spec event.Spec, env []string) ([]string, error) {
	return agent.FindProgram(spec, env, "claude", "npm install -g @anthropic-ai/claude-code")
}

// ownedArgs are arguments that a launch sets itself, or that would disable its hooks or its screen.
var ownedArgs = map[string]string{
	"--settings": "muster sets its own", "--session-id": "muster pins the conversation", "--resume": "muster resumes",
	"-r": "muster resumes", "--continue": "muster resumes", "-c": "muster resumes", "--fork-session": "muster pins the conversation",
	"--setting-sources": "muster chooses them", "--managed-settings": "muster sets its own",
	"--bare": "it switches hooks off", "--safe-mode": "it switches hooks off", "-p": "muster needs the interactive program",
	"--print": "muster needs the interactive program", "--worktree": "muster makes the worktree", "-w": "muster makes the worktree",
	"--tmux": "muster makes the session", "--": "muster puts the prompt behind it",
}

// checkArgs returns an error for arguments that break a launch.
func checkArgs(args []string) error {
	for _, a := range args {
		name, _, _ := agent.Option(a)
		if why, ok := ownedArgs[name]; ok {
			return fault.New(fault.Usage, "args of agent %s have %s: %s", kind, name, why).
				WithHint("Remove %s from args in muster.toml.", name)
		}
	}
	return nil
}

// The permission modes in the words of hooks.
const (
	modeDefault = "default"
	modeBypass  = "bypassPermissions"
)

// chosenMode returns the permission mode that the user's arguments set; "" if they set none. The last of them counts.
func chosenMode(args []string) (mode string) {
	for i := range args {
		name, value, ok := agent.Argument(args, i)
		switch {
		case name == "--dangerously-skip-permissions":
			return modeBypass // whatever --permission-mode says
		case name == "--permission-mode" && ok:
			mode = value
		}
	}
	if mode == "manual" { // another name of it
		return modeDefault
	}
	return mode
}

// Mode implements agent.Moder.
func (adapter) Mode(s event.Spec) string { return cmp.Or(chosenMode(s.Args), defaultMode) }

// mergePreamble removes the user's own --append-system-prompt from the arguments and appends its text to ours,
// because the program uses only one of them.
func mergePreamble(args []string, preamble string) (rest []string, merged string) {
	const option = "--append-system-prompt"
	merged = preamble
	for i := 0; i < len(args); i++ {
		text, ok := strings.CutPrefix(args[i], option+"=")
		if !ok && args[i] == option && i+1 < len(args) {
			i++
			text, ok = args[i], true
		}
		if !ok {
			rest = append(rest, args[i])
			continue
		}
		merged = strings.TrimSpace(merged + "\n\n" + text)
	}
	return rest, merged
}
