package words

import (
	"fmt"
	"strings"

	"muster/internal/event"
)

// TaskState is a task and the state that it is in.
type TaskState struct {
	ID    event.TaskID
	State event.State
}

// fewTasks is how many tasks are named in one line.
const fewTasks = 3

// Tasks names tasks with their states in one line: "t1 (working)", or "5 tasks: t1 (working), t2 (queued), t3 (queued), …".
func Tasks(all []TaskState) string {
	var names []string
	for _, t := range all[:min(len(all), fewTasks)] {
		names = append(names, fmt.Sprintf("%s (%s)", t.ID, t.State))
	}
	if len(all) > fewTasks {
		names = append(names, "…")
	}
	text := strings.Join(names, ", ")
	if len(all) > 1 {
		text = fmt.Sprintf("%d tasks: %s", len(all), text)
	}
	return text
}
