package command

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/status"
	"muster/internal/text"
)

type adapter struct{ agent.NoChannel }

// New returns the adapter for any program. The program gets its prompt as an argument or a file; its exit ends its turn.
func New() agent.Adapter { return adapter{} }

// Facts implements agent.Adapter.
func (adapter) Facts() agent.Facts {
	return agent.Facts{
		Kind:      "command",
		Traits:    event.Traits{Door: event.DoorRespawn, ExitIsTurn: true},
		Interrupt: agent.Interrupt{Signal: syscall.SIGINT},
		End:       agent.End{Signal: syscall.SIGTERM, Grace: 3 * time.Second},
	}
}

// Check implements agent.Adapter. The program must exist; a relative path is looked up in the checkout of the
// dispatch.
func (adapter) Check(_ context.Context, p agent.Preflight) error {
	if len(p.Spec.Command) == 0 || p.Spec.Command[0] == "" {
		return fault.New(fault.Usage, "agent %s: no command", p.Spec.Agent).
			WithHint("Set command in [agents.%s] of muster.toml, or give --command.", p.Spec.Agent)
	}
	if err := agent.CheckEnvFrom(p); err != nil {
		return err
	}
	if err := fits(p.Spec, p.Prompt); err != nil {
		return err
	}
	word := p.Spec.Command[0]
	if strings.Contains(word, "{worktree}") || strings.Contains(word, "{task}") {
		return nil // known only at launch
	}
	program := word
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		program = filepath.Join(p.Spec.Repo, word)
	}
	if _, err := run.LookPath(program, agent.FullEnv(p)); err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: no program %s", p.Spec.Agent, word).
			WithHint("Install %s, make it executable, or name it by its path.", word)
	}
	return nil
}

// Plan implements agent.Adapter. It replaces placeholders in the words of the command. The prompt file with prompt
// and messages always exists, too.
func (adapter) Plan(l agent.Launch) (agent.Plan, error) {
	if len(l.Spec.Command) == 0 {
		return agent.Plan{}, fault.New(fault.Usage, "agent %s: no command", l.Spec.Agent).
			WithHint("Set command in [agents.%s] of muster.toml, or give --command.", l.Spec.Agent)
	}
	prompt := agent.WithMessages(l.Prompt, l.Messages)
	argument := strings.ReplaceAll(prompt, "\x00", "")
	file := agent.PromptPath(l)
	replace := strings.NewReplacer("{prompt}", argument, "{prompt_file}", file, "{worktree}", l.Worktree, "{task}", string(l.Task))
	var argv []string
	if err := fits(l.Spec, argument); err != nil { // messages make it longer than it was at dispatch
		return agent.Plan{}, err
	}
	for _, word := range words(l.Spec) {
		argv = append(argv, replace.Replace(word))
	}
	program, err := commandPath(argv[0], l)
	if err != nil {
		return agent.Plan{}, err
	}
	argv[0] = program
	return agent.Plan{
		Argv:  argv,
		Env:   []string{environ.PromptFile + "=" + file},
		Files: []agent.File{agent.PromptFile(prompt)},
	}, nil
}

// words returns the command line with its placeholders.
func words(spec event.Spec) []string { return slices.Concat(spec.Command, spec.Args) }

// fits returns an error if the prompt must be an argument and is too long for one.
func fits(spec event.Spec, prompt string) error {
	asArgument := func(word string) bool { return strings.Contains(word, "{prompt}") }
	if len(prompt) <= agent.MaxArgument || !slices.ContainsFunc(words(spec), asArgument) {
		return nil
	}
	return fault.New(fault.Usage, "agent %s: the prompt has %d bytes, and the limit for {prompt} is %d", spec.Agent, len(prompt), agent.MaxArgument).
		WithHint("Use {prompt_file} instead of {prompt} in its command.")
}

// commandPath returns the path of the program. A relative path is below the worktree, and a bare word is on the PATH.
func commandPath(word string, l agent.Launch) (string, error) {
	program := word
	if strings.Contains(word, "/") && !filepath.IsAbs(word) {
		program = filepath.Join(l.Worktree, word)
	}
	path, err := run.LookPath(program, l.Env)
	if err != nil {
		return "", fault.Wrap(fault.Conflict, err, "agent %s: no program %s", l.Spec.Agent, text.Line(word, 200)).
			WithHint("A relative path is looked up in the worktree: commit the program, or copy it there by [workspace] copy.")
	}
	return path, nil
}

// Sources implements agent.Adapter. There are none.
func (adapter) Sources(agent.Launch, int) []status.Source { return nil }

// Hook implements agent.Adapter. Plan registers no hooks.
func (adapter) Hook(context.Context, agent.HookCall) int { return 0 }

// Resumable implements agent.Adapter. A command has no conversation to resume.
func (adapter) Resumable(agent.Launch) bool { return false }
