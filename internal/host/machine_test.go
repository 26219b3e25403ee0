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

func TestClocks_Advance(t *testing.T) {
	t.Parallel()
	first, second := Now(), Now()
	if second.Mono <= first.Mono || second.Boot <= first.Boot || first.Boot < first.Mono {
		t.Errorf("clocks do not advance, or Boot is behind Mono: %+v, %+v", first, second)
	}
	if slept := (second.Boot - first.Boot) - (second.Mono - first.Mono); slept.Abs() > time.Millisecond {
		t.Errorf("slept %v between two lines", slept)
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
