package daemon

import (
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/fleet"
	"muster/internal/home"
)

func TestHeartbeatSaysThatFilesArePolled(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	beat := newHeartbeat(h, "", "boot", slog.New(slog.NewTextHandler(io.Discard, nil)))
	now := time.Now()
	read := func() boot.Heartbeat { return boot.ReadHeartbeat(h, os.Getpid(), now.Add(-time.Hour), now) }
	beat.setPolling("too many open files") // before the first look at the fleet
	if _, err := os.Stat(h.Pulse()); err == nil {
		t.Error("there is a heartbeat before anybody looked at the fleet")
	}
	beat.note(fleet.Pulse{Watched: 2, Judged: 2})
	if b := read(); b.Polling != "too many open files" || b.Judged != 2 {
		t.Errorf("heartbeat %+v", b)
	}
	beat.setPolling("") // the next look is up to a minute away
	if b := read(); b.Polling != "" || b.Judged != 2 {
		t.Errorf("heartbeat %+v after watching began", b)
	}
}
