package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
)

// stuckAfter is how long a supervisor may make no progress: it looks at the whole fleet once a minute.
const stuckAfter = 3 * time.Minute

// pulse is the file that says when the supervisor last looked at the whole fleet.
type pulse struct {
	fleet.Pulse
	PID  int           `json:"pid"`
	At   time.Time     `json:"at"`
	Boot string        `json:"boot"` // Mono compares only within one boot
	Mono time.Duration `json:"mono"`

	age time.Duration // for readers: without the time that the host slept
}

// heart writes the pulse, and tells whoever watches from outside.
type heart struct {
	path, url string
	boot      string
	log       *slog.Logger
	complete  chan struct{} // capacity 1: every agent was judged
}

func newHeart(path, url, boot string, log *slog.Logger) *heart {
	return &heart{path: path, url: url, boot: boot, log: log, complete: make(chan struct{}, 1)}
}

// note is fleet.Config.Pulse. The file is replaced and not synced: after a crash of the host no supervisor runs, which
// says it all.
func (h *heart) note(p fleet.Pulse) {
	now := host.Now()
	data, err := json.Marshal(pulse{Pulse: p, PID: os.Getpid(), At: now.Wall, Boot: h.boot, Mono: now.Mono})
	if err == nil {
		err = os.WriteFile(h.path+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(h.path+".new", h.path)
	}
	if err != nil {
		h.log.Error("say that the supervisor goes on", "err", err)
	}
	if p.Judged < p.Watched {
		return
	}
	select {
	case h.complete <- struct{}{}:
	default:
	}
}

// serve pings the dead-man address after each complete look until ctx ends. A failure is logged once in a row: that no
// ping arrives is what the other side is for.
func (h *heart) serve(ctx context.Context) {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.complete:
		}
		if h.url == "" {
			continue
		}
		err := ping(ctx, h.url)
		if err != nil && !failed && ctx.Err() == nil {
			h.log.Error("ping fleet.deadman_url", "err", err)
		}
		failed = err != nil
	}
}

// pingLimit is how long a ping may take.
const pingLimit = 10 * time.Second

func ping(ctx context.Context, to string) error {
	ctx, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // the address itself may be a secret
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}

// readPulse reads what the running supervisor last said. One that has not said anything yet has made no progress since
// it began.
func readPulse(dir home.Dir, pid int, began, now time.Time) pulse {
	var p pulse
	data, err := os.ReadFile(dir.Pulse())
	if err != nil || json.Unmarshal(data, &p) != nil || p.PID != pid {
		return pulse{age: now.Sub(began)}
	}
	clocks := host.Now()
	if boot, err := host.BootID(); err == nil && boot == p.Boot {
		p.age = clocks.Mono - p.Mono
	} else {
		p.age = now.Sub(p.At)
	}
	return p
}

// tell writes into the health what the pulse means for it.
func (p pulse) tell(h *health) {
	h.Judged = p.Judged
	h.Supervisor.Watched, h.Supervisor.Progress, h.Supervisor.Idle = p.Watched, p.At, int(p.age.Seconds())
	h.Supervisor.Stuck = p.age > stuckAfter
	if h.Live > 0 && (h.Supervisor.Stuck || p.Judged < p.Watched) {
		h.Healthy = false
	}
}

// watchText says how much of the fleet was looked at.
func watchText(h health) string {
	s := h.Supervisor
	if s.Progress.IsZero() {
		return "the supervisor has not looked at the fleet yet"
	}
	text := fmt.Sprintf("%d watched, %d judged %s ago", s.Watched, h.Judged, time.Duration(s.Idle)*time.Second)
	switch {
	case s.Stuck:
		text += ": NO PROGRESS since then"
	case h.Judged < s.Watched:
		text += ": NOT ALL"
	}
	return text
}

// next is the command that a person takes a fleet on with that is not well.
func (h health) next() string {
	switch {
	case h.Healthy:
		return ""
	case h.Supervisor.Stuck:
		return fmt.Sprintf("kill -9 %d   (its keeper starts another one, and no agent notices; log: %s)", h.Supervisor.PID, home.Dir(h.Home).Log())
	case h.Supervisor.Running:
		return "look at " + home.Dir(h.Home).Log()
	}
	return "muster up"
}
