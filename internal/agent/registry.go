package agent

import (
	"strings"

	"muster/internal/fault"
)

// kinds are all adapters.
func kinds() []Adapter {
	return []Adapter{
		Claude(),
		Command(),
		Sim(),
	}
}

// New gives the adapter of a kind; fault.Usage names the known ones.
func New(kind string) (Adapter, error) {
	for _, a := range kinds() {
		if a.Kind() == kind {
			return a, nil
		}
	}
	return nil, fault.New(fault.Usage, "unknown kind of agent %q", kind).
		WithHint("Use one of: %s.", strings.Join(Kinds(), ", "))
}

// Kinds are the names of all kinds.
func Kinds() []string {
	var out []string
	for _, a := range kinds() {
		out = append(out, a.Kind())
	}
	return out
}
