package environ

import (
	"path/filepath"
	"strconv"
	"time"

	"muster/internal/event"
)

// The variables of muster. This is the one place that names them; the first six are a contract with agents and their
// scripts (design section 11).
const (
	// Home is the state directory of the fleet, an absolute path.
	Home = "MUSTER_HOME"
	// Task is the id of the agent's task.
	Task = "MUSTER_TASK"
	// Gen is the number of the agent's generation, from 1 on.
	Gen = "MUSTER_GEN"
	// StatusFile is the file to which the generation appends its status records.
	StatusFile = "MUSTER_STATUS_FILE"
	// PromptFile is the file that holds the generation's first prompt.
	PromptFile = "MUSTER_PROMPT_FILE"
	// Worktree is the worktree of the task. All that an agent starts inherits it, and is found by it when the task ends.
	Worktree = "MUSTER_WORKTREE"
	// Wait is how many seconds a permission request or a question stays open.
	Wait = "MUSTER_WAIT"
	// Alias tells a hook under which id the agent knows the task's conversation, as AGENT'S=OURS; unset if they are equal.
	Alias = "MUSTER_CONVERSATION_ALIAS"
	// Mark marks all that a job (checks or setup) starts. Its value tells the jobs apart and says nothing else.
	Mark = "MUSTER_JOB_MARK"
	// Handoff is what a keeper tells the supervisor that it starts.
	Handoff = "MUSTER_KEPT"
)

// IsOwn reports whether muster sets a variable itself, so that a task must not.
func IsOwn(name string) bool {
	switch name {
	case Home, Task, Gen, StatusFile, PromptFile, Worktree, Wait, Alias, Mark, Handoff:
		return true
	}
	return false
}

// Agent is what these variables say about the generation in whose shell a process runs.
type Agent struct {
	Home       string // absolute
	Task       event.TaskID
	Gen        int
	StatusFile string // absolute, or "" if it is not set
	Worktree   string
	Wait       time.Duration // how long a request or a question stays open; 0 if it is not set
}

// ReadAgent reads them. It returns false if one of Home, Task and Gen is missing, or one of them is damaged.
func ReadAgent(getenv func(string) string) (Agent, bool) {
	a := Agent{Home: getenv(Home), Task: event.TaskID(getenv(Task)), StatusFile: getenv(StatusFile), Worktree: getenv(Worktree)}
	gen, err := strconv.Atoi(getenv(Gen))
	if err != nil || gen < 1 || !event.IsTaskID(string(a.Task)) || !filepath.IsAbs(a.Home) {
		return Agent{}, false
	}
	if a.StatusFile != "" && !filepath.IsAbs(a.StatusFile) {
		return Agent{}, false
	}
	a.Gen = gen
	if seconds, err := strconv.Atoi(getenv(Wait)); err == nil && seconds > 0 {
		a.Wait = time.Duration(seconds) * time.Second
	}
	return a, true
}
