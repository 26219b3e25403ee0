package all

import (
	"strings"

	"muster/internal/agent"
	"muster/internal/agent/claude"
	"muster/internal/agent/codex"
	"muster/internal/agent/command"
	"muster/internal/agent/gemini"
	"muster/internal/agent/opencode"
	"muster/internal/agent/sim"
	"muster/internal/fault"
)

// adapters returns one adapter of each kind, in alphabetical order.
func adapters() []agent.Adapter {
	return []agent.Adapter{
		claude.New(),
		codex.New(),
		command.New(),
		gemini.New(),
		opencode.New(),
		sim.New(),
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

// Kinds returns the names of all kinds, in alphabetical order.
func Kinds() []string {
	var out []string
	for _, a := range adapters() {
		out = append(out, a.Facts().Kind)
	}
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
