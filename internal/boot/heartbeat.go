package boot

import (
	"encoding/json"
	"time"

	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/regular"
	"muster/internal/replace"
)

// Heartbeat is the file in which a supervisor records its last look at the whole fleet.
type Heartbeat struct {
	Watched int           `json:"watched"` // tasks that have an agent
	Judged  int           `json:"judged"`  // those whose process is watched and whose records are read
	Hung    int           `json:"hung"`    // acts that were given up and have not come back
	PID     int           `json:"pid"`
	At      time.Time     `json:"at"`
	Boot    string        `json:"boot"` // Mono can be compared only within one boot
	Mono    time.Duration `json:"mono"`
	// Polling is why the supervisor reads all status files every second, instead of when they change; "" if it does not.
	Polling string `json:"polling,omitempty"`

	Age time.Duration `json:"-"` // set by ReadHeartbeat; excludes the time that the host slept
}

// Write replaces the file. It is not synced: after a crash of the host no supervisor runs, so no heartbeat is needed.
func (b Heartbeat) Write(h home.Dir) error {
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return replace.Sole(h.Pulse(), data)
}

// ReadHeartbeat returns the newest heartbeat of the supervisor with this process id, which started at began. If there
// is none, it has made no progress since it started.
func ReadHeartbeat(h home.Dir, pid int, began, now time.Time) Heartbeat {
	var b Heartbeat
	data, err := regular.Read(h.Pulse(), 1<<16)
	if err != nil || json.Unmarshal(data, &b) != nil || b.PID != pid {
		return Heartbeat{Age: now.Sub(began)}
	}
	clocks := host.Now()
	if id, err := host.BootID(); err == nil && id == b.Boot {
		b.Age = clocks.Mono - b.Mono
	} else {
		b.Age = now.Sub(b.At)
	}
	return b
}
