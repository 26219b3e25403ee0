package host

import (
	"slices"
	"testing"
)

func TestParseStatTakesAnyName(t *testing.T) {
	t.Parallel()
	const rest = " S 1 77 77 34816 77 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 9000 1 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 256\n"
	for _, name := range []string{"sh", "a) S 9 9", "tmux: server", ") ("} {
		got, ok := parseStat([]byte("77 (" + name + ")" + rest))
		want := stat{state: 'S', parent: 1, group: 77, start: 123456, exit: 256}
		if !ok || got != want {
			t.Errorf("name %q: %+v, %v, want %+v", name, got, ok, want)
		}
	}
	for _, bad := range []string{"", "77", "77 (x)", "77 (x) S 1", "77 (x) S a b c"} {
		if _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("77 (a) b) S 1 77"))
	f.Fuzz(func(_ *testing.T, b []byte) { parseStat(b) })
}

// TestAProcessOfAnotherBootIsNotThere covers a pid that has the same number of ticks after a reboot as before.
func TestAProcessOfAnotherBootIsNotThere(t *testing.T) {
	t.Parallel()
	a := start(t, "sleeper", "")
	const other = "00000000-0000-4000-8000-000000000000"
	ticks := a.proc.Start & (1<<bootShift - 1)
	before := Process{PID: a.proc.PID, Start: ticks | markOfBoot(other)<<bootShift}
	if before.Start == a.proc.Start || ticks == 0 || before.Start >= 1<<53 {
		t.Fatalf("%v of another boot is %v", a.proc, before)
	}
	if left, err := End(t.Context(), Ending{Procs: []Process{before}}); err != nil || len(left) > 0 || before.Alive() {
		t.Errorf("End = %v, %v", left, err)
	}
	if !a.proc.Alive() {
		t.Fatal("a process was ended for one of another boot")
	}
}

func TestMarkedMatchesTheWholeValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := start(t, "sleeper", dir+"/x")
	start(t, "sleeper", dir+"/xx")
	start(t, "sleeper", "y"+dir+"/x")
	got, err := Marked(markVar, dir+"/x")
	if err != nil || !slices.Equal(got, []Process{a.proc}) {
		t.Errorf("Marked = %v, %v, want %v", got, err, a.proc)
	}
}
