package all

import (
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/agent/acp"
	"muster/internal/agent/claude"
	"muster/internal/agent/codex"
	"muster/internal/agent/command"
	"muster/internal/agent/gemini"
	"muster/internal/agent/generic"
	"muster/internal/agent/opencode"
	"muster/internal/agent/sim"
	"muster/internal/event"
	"muster/internal/fault"
)

// adapters returns one adapter of each kind. Those with a description come last: it is read only if it is needed.
func adapters() []agent.Adapter {
	return []agent.Adapter{
		claude.New(),
		codex.New(),
		command.New(),
		gemini.New(),
		opencode.New(),
		sim.New(),
		generic.Preset("copilot"),
		generic.Preset("qwen"),
		generic.New(nil),
		acp.New(nil),
	}
}

// New returns the adapter of a kind. An unknown kind is a fault.Usage whose hint names the known ones.
func New(kind string) (agent.Adapter, error) {
	for _, a := range adapters() {
		if a.Facts().Kind == kind {
			return a, nil
		}
	}
	return nil, fault.New(fault.Usage, "unknown kind of agent %q", kind).
		WithHint("Use one of: %s.", strings.Join(Kinds(), ", "))
}

// For returns the adapter of a task. An agent of kind generic or acp has its description in its spec.
func For(s event.Spec) (agent.Adapter, error) {
	switch s.Kind {
	case generic.Kind:
		return generic.New(s.Recipe), nil
	case acp.Kind:
		return acp.New(s.Recipe), nil
	}
	return New(s.Kind)
}

// Kinds returns the names of all kinds, in alphabetical order.
func Kinds() []string {
	var out []string
	for _, a := range adapters() {
		out = append(out, a.Facts().Kind)
	}
	slices.Sort(out)
	return out
}

// Configures returns the files of a repository that configure agents of any kind, see agent.Facts.
func Configures() []string {
	var out []string
	for _, a := range adapters() {
		out = append(out, a.Facts().Configures...)
	}
	return out
}
