package e2e

import (
	"slices"
	"sync"
	"testing"

	"muster/internal/control"
	"muster/internal/event"
)

// together calls muster n times at once and returns the results.
func (f *Fleet) together(n int, args ...string) []ran {
	f.t.Helper()
	out := make([]ran, n)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { out[i] = f.run(args...) })
	}
	wg.Wait()
	for _, r := range out {
		if r.exit != 0 {
			f.t.Errorf("muster %s: exit %d\n%s%s", args, r.exit, r.out, r.err)
		}
	}
	return out
}

func TestManyDispatchAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const n = 50
	var ids, want []string
	for _, r := range f.together(n, "dispatch", "--command", "true", "--no-checks", "--publish", "none", "nothing") {
		ids = append(ids, r.out)
	}
	for i := range n {
		want = append(want, string(event.NewTaskID(i+1)))
	}
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("ids are %v", ids)
	}
	f.oneOfEach()
	for _, id := range want {
		got := f.reaches(event.TaskID(id), event.Done)
		if got.Gen != 1 {
			t.Errorf("%s: %d generations", id, got.Gen)
		}
	}
	if tasks, err := control.Get(t.Context(), f.control(), control.Tasks{All: true}); err != nil || len(tasks) != n {
		t.Errorf("%d tasks, %v", len(tasks), err)
	}
}

func TestManyUpAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.together(2, "up")
	f.oneOfEach()
	f.must("down", "--kill")
	if left := f.processes(); len(left) > 0 {
		t.Errorf("left by down: %v", left)
	}
	f.together(10, "up")
	f.oneOfEach()
	f.together(5, "up")
	f.oneOfEach()
	if n := len(payloads[event.SupervisorStarted](f, "")); n != 2 {
		t.Errorf("%d supervisors were started", n)
	}
}
