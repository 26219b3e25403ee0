package store

import (
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// AttemptRow is one generation of a task: one agent process.
type AttemptRow struct {
	Gen          int             `json:"gen"`
	Attempt      int             `json:"attempt"`
	Why          event.Why       `json:"why"`
	Conversation string          `json:"conversation,omitempty"`
	Resume       bool            `json:"resume,omitempty"`
	StartedAt    time.Time       `json:"started_at"`
	LaunchedAt   time.Time       `json:"launched_at,omitzero"` // zero: its process was never seen
	PID          int             `json:"pid,omitempty"`
	Session      string          `json:"session,omitempty"`
	ExitedAt     time.Time       `json:"exited_at,omitzero"` // zero: it is not known to be gone
	Cause        event.ExitCause `json:"cause,omitempty"`
	Exit         *int            `json:"exit"` // nil while it runs, or if it is unknown
	Signal       int             `json:"signal,omitempty"`
}

// MessageRow is one message to the agent of a task, with its text.
type MessageRow struct {
	ID        event.MessageID    `json:"id"`
	State     event.MessageState `json:"state"`
	Why       event.Why          `json:"why"`
	Gen       int                `json:"gen,omitempty"` // the generation to which it was sent
	At        time.Time          `json:"at"`            // when it was queued
	ChangedAt time.Time          `json:"changed_at"`
	Evidence  string             `json:"evidence,omitempty"` // how its state is known
	Text      string             `json:"text"`
}

// RoundRow is one round of checks and the time of its verdict.
type RoundRow struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	Gen  int       `json:"gen"`
	event.RoundFinished
}

// FleetRow is the state of the fleet as a whole.
type FleetRow struct {
	// Down reports whether the fleet was told to go down, and Mode is how.
	Down bool           `json:"down"`
	Mode event.DownMode `json:"mode,omitempty"`
	// Gate is the reason why nothing new starts; "" if tasks may start.
	Gate       string        `json:"gate,omitempty"`
	Supervisor SupervisorRow `json:"supervisor,omitzero"`
	Server     ServerRow     `json:"server,omitzero"`
	RolledBack RolledBackRow `json:"rolled_back,omitzero"` // the newest upgrade, if it was rolled back
	SleptAt    time.Time     `json:"slept_at,omitzero"`    // when the newest suspend of the machine was noticed
}

// SupervisorRow is the newest supervisor. Its lock shows whether it lives.
type SupervisorRow struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	Boot      string    `json:"boot"`
	At        time.Time `json:"at"`
	StoppedAt time.Time `json:"stopped_at,omitzero"` // zero: it has not ended, or it crashed
	Stopped   string    `json:"stopped,omitempty"`   // why it ended
}

// RolledBackRow is an upgrade that was rolled back.
type RolledBackRow struct {
	To  string    `json:"to"` // name of the program that failed
	Why string    `json:"why"`
	At  time.Time `json:"at"`
}

// ServerRow names the tmux server that holds the fleet.
type ServerRow struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`
}

// Named is a task's id and name.
type Named struct {
	ID   event.TaskID
	Name string
}

// DueRow is one deadline of one subject.
type DueRow struct {
	Subject  event.Subject
	Deadline life.Deadline
}

// Fold returns the row after an event.
func (f FleetRow) Fold(e event.Event) FleetRow {
	switch p := e.Data.(type) {
	case event.DownRequested:
		f.Down, f.Mode = true, p.Mode
	case event.UpRequested:
		f.Down, f.Mode = false, ""
	case event.GateClosed:
		f.Gate = p.Reason
	case event.GateOpened:
		f.Gate = ""
	case event.SupervisorStarted:
		f.Supervisor = SupervisorRow{PID: p.PID, Version: p.Version, Boot: p.Boot, At: e.Time}
	case event.SupervisorUpgraded:
		f.RolledBack = RolledBackRow{}
	case event.UpgradeRolledBack:
		f.RolledBack = RolledBackRow{To: p.To, Why: p.Why, At: e.Time}
	case event.SupervisorStopped:
		f.Supervisor.StoppedAt, f.Supervisor.Stopped = e.Time, p.Why
	case event.ServerChanged:
		f.Server = ServerRow(p)
	case event.HostSlept:
		f.SleptAt = e.Time
	}
	return f
}
