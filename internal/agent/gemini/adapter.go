package gemini

import (
	"encoding/json"
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

// The behaviour of Gemini CLI was measured with version 0.61.0. The tests of this package run the real program where its
// behaviour is undocumented.

const (
	kind = "gemini"
	// firstRecord is the timeout for the first record of a launch. The program itself takes four seconds, and on a busy
	// machine ten times as long.
	firstRecord = 90 * time.Second
	// homeVar is the directory in the place of the user's home: the program's configuration is .gemini in it.
	homeVar = "GEMINI_CLI_HOME"
	ownDir  = ".gemini"
)

type adapter struct{ channel }

// New returns the adapter for Gemini CLI.
func New() agent.Adapter { return adapter{} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:   kind,
		Traits: event.Traits{Door: event.DoorPaste, FirstRecord: firstRecord, Resumes: true},
		// The menu of a usage limit stays open at Escape. Its second entry ends the turn.
		Interrupt:  agent.Interrupt{Keys: []string{"Escape"}, Menu: []string{"2"}},
		End:        agent.End{Signal: syscall.SIGTERM, Grace: 5 * time.Second}, // beside a running tool it takes four seconds
		Variables:  []string{homeVar, "GEMINI_*", "GOOGLE_*"},
		Home:       homeVar,
		OwnHome:    true,
		Configures: []string{".gemini/", "GEMINI.md"},
	}
}

// modeName is the file in home.Gen.RO with the permission mode that the user has chosen.
const modeName = "mode.json"

// modeFile is its content.
type modeFile struct {
	Mode string `json:"mode"`
}

// Plan implements agent.Adapter. The settings with the hooks are in the agent's own home, see Seed. The agent runs in the mode in
// which it asks nobody: the hook ahead of each tool asks instead, as the user's mode says, and a tool that it refuses does not run.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if err := checkArgs(l.Spec.Args); err != nil {
		return agent.Plan{}, err
	}
	program, err := agent.FindProgram(l.Spec, l.Env, "gemini", install)
	if err != nil {
		return agent.Plan{}, err
	}
	settings, err := readSettings(configDir(l.Env))
	if err != nil {
		return agent.Plan{}, err
	}
	if err := checkProject(l.Spec, l.Worktree); err != nil {
		return agent.Plan{}, err
	}
	argv := append(program, "--approval-mode", modeYOLO)
	if name := modelOf(l.Spec, settings); name != "" {
		argv = append(argv, "-m", name)
	}
	if l.Resume {
		argv = append(argv, "--resume", l.Conversation)
	} else {
		argv = append(argv, "--session-id", l.Conversation)
	}
	argument, file := agent.FirstPrompt(l)
	argv = append(argv, otherArgs(l.Spec.Args)...)
	mode, err := json.Marshal(modeFile{Mode: modeOf(l.Spec, settings)})
	if err != nil {
		return agent.Plan{}, err
	}
	files := []agent.File{agent.PromptFile(file), {Path: modeName, Data: mode, Mode: 0o600}}
	return agent.Plan{
		// With "=" a prompt cannot be taken for an option.
		Argv: append(argv, "--prompt-interactive="+plainAt(argument)),
		Env:  variables(l, settings),
		// A request that was allowed after its process was gone is allowed once for the next process.
		Files: append(files, agent.Grants(l)...),
	}, nil
}

// variables returns what a launch adds to the agent's environment. A variable that the user has set stays.
func variables(l agent.Launch, s settings) []string {
	out := []string{
		"GEMINI_CLI_NO_RELAUNCH=true",     // otherwise a launcher ignores the signal that ends it
		"GEMINI_CLI_TRUST_WORKSPACE=true", // Check asks whether the user trusts the repository; a worktree is trusted as it is
		"COLORTERM=truecolor",             // with it the input has a border on the screen
	}
	if telemetry := telemetryPath(l); s.Telemetry.Enabled == nil && !slices.ContainsFunc(l.Env, func(kv string) bool { return strings.HasPrefix(kv, "GEMINI_TELEMETRY_") }) {
		out = append(out, "GEMINI_TELEMETRY_ENABLED=true", "GEMINI_TELEMETRY_TARGET=local", "GEMINI_TELEMETRY_OUTFILE="+telemetry,
			"GEMINI_TELEMETRY_LOG_PROMPTS=false")
	}
	out = slices.DeleteFunc(out, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, set := environ.Lookup(l.Env, name)
		return set
	})
	return append(out, environ.PromptFile+"="+agent.PromptPath(l))
}

// telemetryPath is the file in which the agent reports errors of the model.
func telemetryPath(l agent.Launch) string { return filepath.Join(l.Dirs().RW(), telemetryName) }

// The modes of permissions.
const (
	modeDefault  = "default"
	modeAutoEdit = "auto_edit"
	modeYOLO     = "yolo"
)

// approval lists the arguments that choose a mode.
var approval = []string{"--approval-mode", "--approvalMode"}

// modeOf returns the mode that the user has chosen: by an argument, else in the settings.
func modeOf(spec event.Spec, s settings) string {
	mode := s.General.Mode
	for i, a := range spec.Args {
		name, value, ok := agent.Argument(spec.Args, i)
		switch {
		case a == "-y" || a == "--yolo":
			mode = modeYOLO
		case slices.Contains(approval, name) && ok:
			mode = value
		}
	}
	if mode == "" {
		return modeDefault
	}
	return mode
}

// otherArgs returns the user's arguments without the mode and the model, which a launch sets itself.
func otherArgs(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		name, _, joined := agent.Option(args[i])
		switch {
		case args[i] == "-y" || args[i] == "--yolo":
		case slices.Contains(approval, name) || slices.Contains(modelArgs, name):
			if !joined {
				i++
			}
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// modelArgs are the arguments that name a model.
var modelArgs = []string{"-m", "--model"}

// modelOf returns the name of the model: the task's, else that of an argument, else that of the settings; "" if none names one.
func modelOf(spec event.Spec, s settings) string {
	if spec.Model != "" {
		return spec.Model
	}
	for i := range spec.Args {
		if name, value, ok := agent.Argument(spec.Args, i); ok && slices.Contains(modelArgs, name) {
			return value
		}
	}
	return s.Model.Name
}

// ownedArgs are arguments that a launch sets itself, or that would disable its hooks or its screen.
var ownedArgs = map[string]string{
	"--session-id": "muster sets it", "--resume": "muster sets it", "-r": "muster sets it",
	"-i": "muster gives the prompt", "--prompt-interactive": "muster gives the prompt", "-p": "muster gives the prompt", "--prompt": "muster gives the prompt",
	"-w": "muster makes the worktree", "--worktree": "muster makes the worktree",
	"--acp": "the program would have no screen", "--experimental-acp": "the program would have no screen",
	"-s": "hooks would run elsewhere", "--sandbox": "hooks would run elsewhere", "--screen-reader": "muster could not read the input",
	"--": "muster puts the prompt behind it",
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

// Bypasses implements agent.Bypasser.
func (adapter) Bypasses(s event.Spec) bool { return modeOf(s, settings{}) == modeYOLO }
