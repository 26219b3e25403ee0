package agent

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/excerpt"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/status"
)

type command struct{}

// Command is the adapter for any program. It gets its prompt as an argument or a file, and its exit ends its turn.
func Command() Adapter { return command{} }

// Kind implements Adapter.
func (command) Kind() string { return "command" }

// Traits implements Adapter.
func (command) Traits() event.Traits {
	return event.Traits{Door: event.DoorRespawn, ExitIsTurn: true}
}

// Check implements Adapter: the program exists, for a relative path in the checkout that was dispatched.
func (command) Check(_ context.Context, p Preflight) error {
	if len(p.Spec.Command) == 0 || p.Spec.Command[0] == "" {
		return fault.New(fault.Usage, "agent %s: no command", p.Spec.Agent).
			WithHint("Set command in [agents.%s] of muster.toml, or give --command.", p.Spec.Agent)
	}
	if err := checkEnvFrom(p); err != nil {
		return err
	}
	if err := fits(p.Spec, p.Prompt); err != nil {
		return err
	}
	word := p.Spec.Command[0]
	if strings.Contains(word, "{worktree}") || strings.Contains(word, "{task}") {
		return nil // known at launch only
	}
	program := word
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		program = filepath.Join(p.Spec.Repo, word)
	}
	if _, err := run.LookPath(program, fullEnv(p)); err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: no program %s", p.Spec.Agent, word).
			WithHint("Install %s, make it executable, or name it by its path.", word)
	}
	return nil
}

// Plan implements Adapter. Placeholders are replaced within the words of the command; the prompt file always
// lies there, too, with prompt and messages.
func (command) Plan(l Launch) (Plan, error) {
	if len(l.Spec.Command) == 0 {
		return Plan{}, fault.New(fault.Usage, "agent %s: no command", l.Spec.Agent).
			WithHint("Set command in [agents.%s] of muster.toml, or give --command.", l.Spec.Agent)
	}
	prompt := withMessages(l.Prompt, l.Messages)
	argument := strings.ReplaceAll(prompt, "\x00", "")
	file := promptPath(l)
	replace := strings.NewReplacer("{prompt}", argument, "{prompt_file}", file, "{worktree}", l.Worktree, "{task}", string(l.Task))
	var argv []string
	if err := fits(l.Spec, argument); err != nil { // feedback makes it longer than it was at dispatch
		return Plan{}, err
	}
	for _, word := range words(l.Spec) {
		argv = append(argv, replace.Replace(word))
	}
	program, err := commandPath(argv[0], l)
	if err != nil {
		return Plan{}, err
	}
	argv[0] = program
	return Plan{
		Argv:  argv,
		Env:   []string{"MUSTER_PROMPT_FILE=" + file},
		Files: []File{{Path: promptName, Data: []byte(prompt + ending(prompt)), Mode: 0o600}},
	}, nil
}

// words are the command line before its placeholders are filled in.
func words(spec event.Spec) []string { return slices.Concat(spec.Command, spec.Args) }

// fits refuses a prompt that is longer than an argument may be where it has to be one.
func fits(spec event.Spec, prompt string) error {
	asArgument := func(word string) bool { return strings.Contains(word, "{prompt}") }
	if len(prompt) <= maxArgument || !slices.ContainsFunc(words(spec), asArgument) {
		return nil
	}
	return fault.New(fault.Usage, "agent %s: the prompt has %d bytes, and {prompt} takes at most %d", spec.Agent, len(prompt), maxArgument).
		WithHint("Use {prompt_file} instead of {prompt} in its command.")
}

// commandPath finds the program: a relative path in the worktree, a bare word on the PATH.
func commandPath(word string, l Launch) (string, error) {
	program := word
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		program = filepath.Join(l.Worktree, word)
	}
	path, err := run.LookPath(program, l.Env)
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "agent %s: no program %s", l.Spec.Agent, excerpt.Line(word, 200)).
			WithHint("A relative path is looked up in the worktree: commit the program, or copy it there by [workspace] copy.")
	}
	return path, nil
}

func ending(s string) string {
	if strings.HasSuffix(s, "\n") {
		return ""
	}
	return "\n"
}

// Sources implements Adapter: none.
func (command) Sources(Launch, int) []status.Source { return nil }

// Hook implements Adapter: nothing was registered.
func (command) Hook(context.Context, HookCall) int { return 0 }

// Resumable implements Adapter: never.
func (command) Resumable(Launch) bool { return false }

// Delivered implements Adapter: the prompt file of the generation that was started with it is all there is.
func (command) Delivered(Launch, event.MessageID) (Delivery, error) { return DeliveryUnknown, nil }

// Interrupt implements Adapter.
func (command) Interrupt() Interrupt { return Interrupt{Signal: syscall.SIGINT} }

// End implements Adapter.
func (command) End() End { return End{Signal: syscall.SIGTERM, Grace: 3 * time.Second} }
