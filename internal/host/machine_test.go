package host

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheMachineAnswers(t *testing.T) {
	t.Parallel()
	m, err := Mem()
	if err != nil || m.Total < 64<<20 || m.Available == 0 || m.Available > m.Total {
		t.Errorf("Mem = %+v, %v", m, err)
	}
	d, err := DiskAt(t.TempDir())
	if err != nil || d.Total == 0 || d.Free > d.Total || d.FreeInodes == 0 {
		t.Errorf("DiskAt = %+v, %v", d, err)
	}
	if _, err := DiskAt("/does/not/exist"); err == nil {
		t.Error("DiskAt of nothing succeeded")
	}
	if Cores() < 1 {
		t.Errorf("Cores = %d", Cores())
	}
	id, err := BootID()
	if again, _ := BootID(); err != nil || len(id) < 8 || id != again {
		t.Errorf("BootID = %q, then %q, %v", id, again, err)
	}
}

func TestClocksTellSleepAndJumps(t *testing.T) {
	t.Parallel()
	wall := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	at := Clocks{Wall: wall, Mono: time.Hour, Boot: 3 * time.Hour}
	for _, c := range []struct {
		name          string
		wall, mono    time.Duration
		boot          time.Duration
		slept, jumped time.Duration
	}{
		{"awake", time.Minute, time.Minute, time.Minute, 0, 0},
		{"slept six hours", 6*time.Hour + time.Minute, time.Minute, 6*time.Hour + time.Minute, 6 * time.Hour, 0},
		{"clock set ahead", time.Hour, time.Minute, time.Minute, 0, 59 * time.Minute},
		{"clock set back", -time.Hour, time.Minute, time.Minute, 0, -61 * time.Minute},
	} {
		later := Clocks{Wall: wall.Add(c.wall), Mono: at.Mono + c.mono, Boot: at.Boot + c.boot}
		if got := at.Slept(later); got != c.slept {
			t.Errorf("%s: Slept = %v, want %v", c.name, got, c.slept)
		}
		if got := at.Jumped(later); got != c.jumped {
			t.Errorf("%s: Jumped = %v, want %v", c.name, got, c.jumped)
		}
	}
	first, second := Now(), Now()
	if second.Mono <= first.Mono || second.Boot <= first.Boot || first.Boot < first.Mono {
		t.Errorf("clocks stand still or lie: %+v, %+v", first, second)
	}
	if s := first.Slept(second); s > time.Millisecond {
		t.Errorf("slept %v between two lines", s)
	}
}

func TestRaiseFilesNeverLowers(t *testing.T) {
	t.Parallel()
	files := func() (l unix.Rlimit) {
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	before := files()
	for _, n := range []uint64{1, before.Cur, before.Max, ^uint64(0)} {
		if err := RaiseFiles(n); err != nil {
			t.Errorf("RaiseFiles(%d): %v", n, err)
		}
		if now := files(); now.Cur < before.Cur || now.Max != before.Max {
			t.Errorf("RaiseFiles(%d): %+v became %+v", n, before, now)
		}
	}
}
