package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"muster/internal/boot"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
)

// heartbeat writes the heartbeat file and pings the dead man's switch, a monitor that raises an alarm if pings stop.
type heartbeat struct {
	home     home.Dir
	url      string // fleet.deadman_url; "" for none
	boot     string // the id of this boot of the host
	log      *slog.Logger
	complete chan struct{} // capacity 1: a look at the fleet judged every agent

	mu      sync.Mutex
	last    boot.Heartbeat // zero before the first look
	polling string
}

func newHeartbeat(h home.Dir, url, bootID string, log *slog.Logger) *heartbeat {
	return &heartbeat{home: h, url: url, boot: bootID, log: log, complete: make(chan struct{}, 1)}
}

// note is fleet.Config.Pulse.
func (h *heartbeat) note(p fleet.Pulse) {
	now := host.Now()
	h.write(func() {
		h.last = boot.Heartbeat{
			Watched: p.Watched, Judged: p.Judged, Hung: p.Hung, PID: os.Getpid(), At: now.Wall, Boot: h.boot, Mono: now.Mono,
		}
	})
	if p.Judged < p.Watched || p.Hung > 0 {
		return
	}
	select {
	case h.complete <- struct{}{}:
	default:
	}
}

// write replaces the file after a change, unless nobody has looked at the fleet yet.
func (h *heartbeat) write(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	if h.last.PID == 0 {
		return
	}
	h.last.Polling = h.polling
	if err := h.last.Write(h.home); err != nil {
		h.log.Error("write the heartbeat", "err", err)
	}
}

// setPolling notes why status files are polled; "" if they are not.
func (h *heartbeat) setPolling(why string) {
	h.write(func() {
		switch why {
		case h.polling:
		case "":
			h.log.Info("status files are watched again")
		default:
			h.log.Warn("status files are polled", "why", why)
		}
		h.polling = why
	})
}

// Serve pings the address after each complete look until ctx ends. It logs only the first of consecutive failures;
// the monitor notices that no ping arrives.
func (h *heartbeat) Serve(ctx context.Context) error {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return nil
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

// pingLimit is the timeout of a ping.
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
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	return nil
}
