package control

import (
	"testing"

	"muster/internal/boot"
)

// TestStatusSaysThatActsHang checks that actions which hang make the fleet unhealthy, even if their tasks are parked
// and nothing else is live.
func TestStatusSaysThatActsHang(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		beat    boot.Heartbeat
		healthy bool
	}{
		{boot.Heartbeat{Watched: 1, Judged: 1}, true},
		{boot.Heartbeat{Watched: 1, Judged: 1, Hung: 1}, false},
		{boot.Heartbeat{Hung: 1}, false},
	} {
		s := FleetStatus{Healthy: true}
		s.heartbeat(c.beat)
		if s.Healthy != c.healthy || s.Hung != c.beat.Hung {
			t.Errorf("%+v: healthy %t, %d hang", c.beat, s.Healthy, s.Hung)
		}
	}
}
