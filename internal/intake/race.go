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
	return raceBy(o, how, raceForm{"--race", "--agent or --command", "Write --race 3, or the names of agents with commas between them."})
}

// raceForm is how errors name the option of a race.
type raceForm struct{ name, agent, hint string }

func raceBy(o Order, how string, form raceForm) ([]Order, error) {
	var agents []string
	if n, err := strconv.Atoi(how); err == nil {
		if n < 2 || n > mostRacers {
			return nil, fault.New(fault.Usage, "%s: %d is not a number from 2 to %d", form.name, n, mostRacers).WithHint("%s", form.hint)
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
			return nil, fault.New(fault.Usage, "%s: %q is neither a number nor a list of agents", form.name, how).WithHint("%s", form.hint)
		case o.Agent != "" || o.Command != "":
			return nil, fault.New(fault.Usage, "%s names the agents, and so does %s", form.name, form.agent).WithHint("Leave one of them out.")
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
		out[i].Race = 1
		out[i].Name = fmt.Sprintf("%s, %d of %d", name, i+1, len(agents))
	}
	return out, nil
}

// raced returns the orders of a table of a tasks file, which are several if it has the key race.
func (t taskTable) raced(o Order) ([]Order, error) {
	how := ""
	switch v := t.Race.(type) {
	case nil:
		return []Order{o}, nil
	case int64:
		how = strconv.FormatInt(v, 10)
	case string:
		how = v
	case []any:
		for i, name := range v {
			word, ok := name.(string)
			if !ok {
				word = "" // no list of agents
			}
			if i > 0 {
				how += ","
			}
			how += word
		}
	default:
		how = fmt.Sprint(v)
	}
	return raceBy(o, how, raceForm{"race", "agent or command", "Write race = 3, or race = [\"NAME\", \"NAME\"] with the names of agents."})
}

// Join returns two lists of orders as one, in which the races of both are apart.
func Join(all, more []Order) []Order {
	races := 0
	for _, o := range all {
		races = max(races, o.Race)
	}
	for _, o := range more {
		if o.Race > 0 {
			o.Race += races
		}
		all = append(all, o)
	}
	return all
}
