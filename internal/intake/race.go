package intake

import (
	"fmt"
	"strconv"
	"strings"

	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

// mostRacers bounds a race: each of its tasks costs as much as the order alone.
const mostRacers = 16

// Race returns the orders of a race: how is a number of tasks with the order's own agent, or the names of their agents.
func Race(o Order, how string) ([]Order, error) {
	var agents []string
	if n, err := strconv.Atoi(how); err == nil {
		if n < 2 || n > mostRacers {
			return nil, fault.New(fault.Usage, "--race: %d is not a number from 2 to %d", n, mostRacers).WithHint("Write --race 3, or the names of agents with commas between them.")
		}
		agents = make([]string, n)
		for i := range agents {
			agents[i] = o.Agent
		}
	} else {
		for name := range strings.SplitSeq(how, ",") {
			agents = append(agents, strings.TrimSpace(name))
		}
		switch {
		case len(agents) < 2 || len(agents) > mostRacers || strings.Contains(","+strings.Join(agents, ",")+",", ",,"):
			return nil, fault.New(fault.Usage, "--race: %q is neither a number nor a list of agents", how).WithHint("Write --race 3, or the names of agents with commas between them.")
		case o.Agent != "" || o.Command != "":
			return nil, fault.New(fault.Usage, "--race names the agents, and so does --agent or --command").WithHint("Leave one of them out.")
		}
	}
	name := o.Name
	if name == "" {
		name = text.Field(words.FirstLine(o.Prompt), maxAutoName)
	}
	out := make([]Order, len(agents))
	for i, agent := range agents {
		out[i] = o
		out[i].Agent = agent
		out[i].Name = fmt.Sprintf("%s, %d of %d", name, i+1, len(agents))
	}
	return out, nil
}
