package boot

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"muster/internal/home"
	"muster/internal/regular"
	"muster/internal/replace"
)

// stage is how far the start of a supervisor is. It stands in a file as long as the supervisor is not ready, so that
// the processes that wait for it can tell a slow start from one that hangs.
type stage struct {
	PID   int    `json:"pid"`
	Step  int    `json:"step"` // grows by one with each step
	Doing string `json:"doing"`
	Done  int    `json:"done,omitempty"`
	Of    int    `json:"of,omitempty"`
}

// String names the step for people, such as "adopting agents (120 of 200)".
func (s stage) String() string {
	switch {
	case s.Doing == "":
		return "starting"
	case s.Of > 0:
		return fmt.Sprintf("%s (%d of %d)", s.Doing, s.Done, s.Of)
	}
	return s.Doing
}

// beyond reports whether s is further than another stage. Stages of different processes can be compared: a supervisor
// that starts again gets no further by that.
func (s stage) beyond(o stage) bool {
	return s.Step > o.Step || s.Step == o.Step && s.Done > o.Done
}

// readStage returns the stage of the supervisor that starts now; the zero value if there is none.
func readStage(h home.Dir) stage {
	var s stage
	data, err := regular.Read(h.Starting(), 1<<12)
	if err != nil || json.Unmarshal(data, &s) != nil {
		return stage{}
	}
	return s
}

// stagePause is the shortest time between two writes of the file for one step.
const stagePause = 100 * time.Millisecond

// Starting records the progress of a supervisor that is not ready yet. Errors are ignored: a full disk must not keep a
// supervisor from starting.
type Starting struct {
	home    home.Dir
	now     stage
	written time.Time
}

// NewStarting returns the record of the calling process, which must hold the supervisor's lock.
func NewStarting(h home.Dir) *Starting { return &Starting{home: h, now: stage{PID: os.Getpid()}} }

// Begin records that the next step has begun.
func (s *Starting) Begin(doing string) {
	s.now = stage{PID: s.now.PID, Step: s.now.Step + 1, Doing: doing}
	s.write()
}

// Count records how much of the step is done.
func (s *Starting) Count(done, of int) {
	s.now.Done, s.now.Of = done, of
	if done == 0 || time.Since(s.written) >= stagePause {
		s.write()
	}
}

func (s *Starting) write() {
	s.written = time.Now()
	if data, err := json.Marshal(s.now); err == nil {
		_ = replace.Sole(s.home.Starting(), data)
	}
}

// Ready removes the record.
func (s *Starting) Ready() { _ = os.Remove(s.home.Starting()) }
