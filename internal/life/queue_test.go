package life

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// mergeWorld is a repository with a merge queue, as a model. A tree is the set of what was merged. The work of a task
// has a version, which grows each time that its agent mends it.
type mergeWorld struct {
	t   *testing.T
	r   *rand.Rand
	now time.Time
	q   Queue

	base     []string // what the base has, such as t3.1, in order
	tips     []string // the trees of the base's first-parent line
	versions map[event.TaskID]int
	commits  map[string][]string // what each commit has
	waits    map[event.TaskID]bool
	landed   map[event.TaskID]bool

	conflict map[[2]string]bool // versions that conflict
	red      map[[2]string]bool // versions that are red together
	alone    map[string]bool    // versions that are red together with any base
	redBase  bool               // the base is red until it moves

	environ   int // how often the environment of the checks has changed
	runs      int // of the checks
	blamed    int
	mended    []event.TaskID // who comes back at the end
	kill      float64        // how often a supervisor dies around an action
	moves     float64        // how often a person commits to the base
	withdraws float64
	busy      float64 // how often the checkout is in use
	changes   float64 // how often the environment changes
	trouble   float64
	may       bool
}

func newMergeWorld(t *testing.T, seed uint64) *mergeWorld {
	return &mergeWorld{
		t: t, r: rand.New(rand.NewPCG(seed, 7)), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), may: true,
		q: Queue{ID: "main@/r"}, versions: map[event.TaskID]int{}, commits: map[string][]string{"c:": nil}, tips: []string{"T:"},
		waits: map[event.TaskID]bool{}, landed: map[event.TaskID]bool{}, conflict: map[[2]string]bool{}, red: map[[2]string]bool{}, alone: map[string]bool{},
	}
}

func (w *mergeWorld) version(id event.TaskID) string { return fmt.Sprintf("%s.%d", id, w.versions[id]) }

func setOf(parts []string) string {
	parts = slices.Clone(parts)
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func pairOf(all map[[2]string]bool, a, b string) bool {
	return all[[2]string{a, b}] || all[[2]string{b, a}]
}

// commit returns the commit that has these versions.
func (w *mergeWorld) commit(parts []string) string {
	c := "c:" + setOf(parts)
	w.commits[c] = slices.Clone(parts)
	return c
}

// green reports whether the checks pass on a tree.
func (w *mergeWorld) green(parts []string) bool {
	if w.redBase && !slices.ContainsFunc(parts, func(s string) bool { return strings.HasPrefix(s, "person") }) {
		return false
	}
	for i, a := range parts {
		if w.alone[a] {
			return false
		}
		for _, b := range parts[:i] {
			if pairOf(w.red, a, b) {
				return false
			}
		}
	}
	return true
}

func (w *mergeWorld) environment() string { return fmt.Sprint("e", w.environ) }

// join puts the present version of a task into the queue. The version was judged on a base that is gone.
func (w *mergeWorld) join(id event.TaskID) {
	w.waits[id] = true
	w.do(MergeJoin{Entry: event.MergeEntry{Task: id, Commit: "b:" + w.version(id), Tree: "own:" + w.version(id), Lane: "l", Environment: w.environment()}, Branch: "main", GitDir: "/r"})
}

// do makes one decision, checks its events, and carries its actions out.
func (w *mergeWorld) do(in Input) {
	w.t.Helper()
	events, actions, told := DecideQueue(w.q, in, w.may, w.now)
	for _, e := range events {
		if why := BrokenQueueBy(w.q, e); why != "" {
			w.t.Fatalf("%s: %s", e.Kind(), why)
		}
		w.q = ApplyQueue(w.q, e)
	}
	if why := BrokenQueue(w.q); why != "" {
		w.t.Fatalf("%v: %s\n%+v", in, why, w.q)
	}
	for _, x := range told {
		switch in := x.Input.(type) {
		case Merged:
			w.landed[x.Task], w.waits[x.Task] = true, false
			if v := w.version(x.Task); !slices.Contains(w.base, v) {
				w.t.Fatalf("%s is told that it is merged, and the base has %v", v, w.base)
			}
		case Unmerged:
			if !w.waits[x.Task] {
				w.t.Fatalf("%s is given back and did not wait", x.Task)
			}
			w.blame(x.Task, in)
		}
	}
	if len(actions) > 1 {
		w.t.Fatalf("%d actions at once", len(actions))
	}
}

// blame checks that work is given back for a cause of its own, and lets its agent mend it.
func (w *mergeWorld) blame(id event.TaskID, in Unmerged) {
	v, ok := w.version(id), false
	for _, b := range w.base {
		ok = ok || in.Why == event.MergeConflicts && pairOf(w.conflict, v, b) || in.Why == event.MergeRed && pairOf(w.red, v, b)
	}
	if !ok && (in.Why != event.MergeRed || !w.alone[v]) {
		w.t.Fatalf("%s is given back for %s, and has no part in it; the base has %v", v, in.Why, w.base)
	}
	w.blamed++
	w.waits[id] = false
	w.versions[id]++
	w.mended = append(w.mended, id)
}

// outcome carries the open action out.
func (w *mergeWorld) outcome(a event.Action) Finished {
	if w.r.Float64() < w.trouble {
		return Finished{ID: a.ID, Failure: &Failure{Kind: FailAgain, Text: "out of order"}}
	}
	switch args := a.Args.(type) {
	case event.BuildArgs:
		return Finished{ID: a.ID, Facts: []event.Payload{w.build(args)}}
	case event.JudgeArgs:
		w.runs++
		v := event.MergeJudged{Results: []event.CheckResult{{Name: "test"}}, Environment: w.environment()}
		if !w.green(w.commits[args.Commit]) {
			v.Results[0].Exit = 1
		}
		return Finished{ID: a.ID, Facts: []event.Payload{v}}
	case event.LandArgs:
		switch now := w.commit(w.base); {
		case now == args.New: // an earlier try has landed it
		case now != args.Old:
			return Finished{ID: a.ID, Failure: &Failure{Kind: FailMoved, Text: "the base has moved"}}
		case w.r.Float64() < w.busy:
			return Finished{ID: a.ID, Failure: &Failure{Kind: FailShut, Text: "the checkout has changes"}}
		default:
			w.base = slices.Clone(w.commits[args.New])
			w.tips = append(w.tips, args.Tree)
		}
		return Finished{ID: a.ID, Facts: []event.Payload{event.MergeLanded{}}}
	}
	w.t.Fatalf("unknown action %v", a)
	return Finished{}
}

func (w *mergeWorld) build(args event.BuildArgs) event.MergeBuilt {
	out := event.MergeBuilt{Base: w.commit(w.base), BaseTree: "T:" + setOf(w.base), Environment: w.environment()}
	parts := slices.Clone(w.base)
	for _, e := range args.Entries {
		v := strings.TrimPrefix(e.Commit, "b:")
		with := func(all []string) bool {
			return slices.ContainsFunc(all, func(b string) bool { return pairOf(w.conflict, v, b) })
		}
		switch {
		case slices.Contains(w.base, v):
			out.There = append(out.There, e.Task)
		case with(w.base):
			out.Conflicts = append(out.Conflicts, event.MergeConflict{Task: e.Task, Files: []string{"a.go"}})
		case with(parts):
			out.Left = append(out.Left, e.Task)
		default:
			parts = append(parts, v)
			out.Tasks = append(out.Tasks, e.Task)
		}
	}
	out.Commit, out.Tree = w.commit(parts), "T:"+setOf(parts)
	return out
}

// run continues until the queue is empty and every agent has mended its work.
func (w *mergeWorld) run() {
	for n := range 100_000 {
		if n > 0 && len(w.q.Open) == 0 && len(w.q.Entries) == 0 && len(w.mended) == 0 {
			return
		}
		w.step()
	}
	w.t.Fatalf("it never ends: %+v", w.q)
}

// step lets one thing happen.
func (w *mergeWorld) step() {
	w.now = w.now.Add(time.Second)
	if w.r.Float64() < w.moves {
		w.redBase = false
		w.base = append(slices.Clone(w.base), fmt.Sprintf("person%d", len(w.base)))
		w.commit(w.base)
	}
	if w.changes > 0 && w.r.Float64() < w.changes {
		w.environ++
	}
	if n := len(w.q.Entries); n > 0 && w.r.Float64() < w.withdraws {
		id := w.q.Entries[w.r.IntN(n)].Task
		w.waits[id] = false
		w.do(MergeLeave{Task: id, State: event.Cancelled})
		return
	}
	if len(w.mended) > 0 && w.r.IntN(3) == 0 { // its agent took a while
		id := w.mended[0]
		w.mended = w.mended[1:]
		w.join(id)
		return
	}
	switch {
	case len(w.q.Open) > 0:
		a := w.q.Open[0]
		in := w.outcome(a)
		if w.r.Float64() < w.kill { // the outcome is lost, and the next supervisor repeats the action
			in = w.outcome(a)
		}
		w.do(in)
	case len(w.q.Deadlines) > 0:
		w.now = w.q.Deadlines[0].At
		w.do(Due{Name: w.q.Deadlines[0].Name})
	default:
		w.do(MergeLook{})
	}
}

// replay checks that the base was green at each landing.
func (w *mergeWorld) replay() {
	w.t.Helper()
	for _, tip := range w.tips[1:] {
		if !w.green(strings.Split(strings.TrimPrefix(tip, "T:"), ",")) {
			w.t.Fatalf("the base was red at %s", tip)
		}
	}
}

// baseline returns how many runs a queue needs that judges each entry alone, on the base as it is then.
func (w *mergeWorld) baseline(ids []event.TaskID) (runs int) {
	var base []string
	version := map[event.TaskID]int{}
	for len(ids) > 0 {
		id := ids[0]
		ids = ids[1:]
		v := fmt.Sprintf("%s.%d", id, version[id])
		if slices.ContainsFunc(base, func(b string) bool { return pairOf(w.conflict, v, b) }) {
			version[id]++
			ids = append(ids, id)
			continue
		}
		runs++
		if !w.green(append(slices.Clone(base), v)) {
			version[id]++
			ids = append(ids, id)
			continue
		}
		base = append(base, v)
	}
	return runs
}

func taskIDs(n int) (ids []event.TaskID) {
	for i := range n {
		ids = append(ids, event.NewTaskID(i+1))
	}
	return ids
}

// night runs tasks through a queue, and returns its runs of the checks and those of a queue without batches.
func night(t *testing.T, seed uint64, n int, set func(*mergeWorld, []event.TaskID)) (runs, oneByOne int) {
	t.Helper()
	w := newMergeWorld(t, seed)
	ids := taskIDs(n)
	set(w, ids)
	for _, id := range ids { // they wait already when the queue begins
		w.may = id == ids[n-1]
		w.join(id)
	}
	w.run()
	w.replay()
	for _, id := range ids {
		if !w.landed[id] {
			t.Fatalf("%s has not landed", id)
		}
	}
	return w.runs, w.baseline(ids)
}

// TestMergeQueue_ChecksFarLessOftenThanOneByOne counts the runs of checks over nights of 40 tasks.
func TestMergeQueue_ChecksFarLessOftenThanOneByOne(t *testing.T) {
	t.Parallel()
	const nights = 60
	for _, c := range []struct {
		name string
		most float64
		set  func(*mergeWorld, []event.TaskID)
	}{
		{"all are green", 0.15, func(*mergeWorld, []event.TaskID) {}},
		{"5 % are red", 0.4, func(w *mergeWorld, ids []event.TaskID) {
			for _, id := range ids {
				if w.r.Float64() < 0.05 {
					w.alone[string(id)+".0"] = true
				}
			}
		}},
		{"a quarter conflicts, and a quarter is red only with another", 0.7, func(w *mergeWorld, ids []event.TaskID) {
			order := w.r.Perm(len(ids))
			at := func(i int) string { return string(ids[order[i]]) + ".0" }
			for i := range 10 {
				w.conflict[[2]string{at(i), at(20 + w.r.IntN(20))}] = true
				w.red[[2]string{at(10 + i), at(20 + w.r.IntN(20))}] = true
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			runs, one := 0, 0
			for seed := range uint64(nights) {
				r, o := night(t, seed, 40, c.set)
				runs, one = runs+r, one+o
			}
			share := float64(runs) / float64(one)
			t.Logf("%.1f runs a night, one by one %.1f: %.2f", float64(runs)/nights, float64(one)/nights, share)
			if share > c.most {
				t.Errorf("it runs the checks %.2f times as often as one by one, want at most %.2f", share, c.most)
			}
		})
	}
}

func TestMergeQueue_TenGreenTasksNeedTwoRuns(t *testing.T) {
	t.Parallel()
	if runs, _ := night(t, 1, 10, func(*mergeWorld, []event.TaskID) {}); runs > 2 {
		t.Errorf("%d runs", runs)
	}
}

// TestMergeQueue_SurvivesEverything lets supervisors die around each action, persons commit, stop tasks and use the
// checkout, and actions fail. The base is green at each landing, nobody is blamed without a part in it, nothing is lost.
func TestMergeQueue_SurvivesEverything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		w := newMergeWorld(t, seed)
		w.kill, w.moves, w.withdraws, w.busy, w.trouble = 0.2, 0.05, 0.01, 0.2, 0.1
		w.changes = 0.1 * float64(seed%2)
		w.redBase = w.r.IntN(3) == 0
		ids := taskIDs(1 + w.r.IntN(20))
		for i, id := range ids {
			for _, other := range ids[:i] {
				a, b := string(id)+".0", string(other)+".0"
				switch w.r.IntN(12) {
				case 0:
					w.conflict[[2]string{a, b}] = true
				case 1:
					w.red[[2]string{a, b}] = true
				}
			}
		}
		for _, id := range ids {
			for range w.r.IntN(4) {
				w.step()
			}
			w.may = w.r.IntN(4) > 0
			w.join(id)
		}
		w.may = true
		w.run()
		w.replay()
		for id, waits := range w.waits {
			if waits {
				t.Fatalf("seed %d: %s still waits", seed, id)
			}
		}
	}
}

func TestMergeQueue_RedBaseBlamesNobody(t *testing.T) {
	t.Parallel()
	w := newMergeWorld(t, 1)
	w.redBase = true
	for _, id := range taskIDs(5) {
		w.join(id)
	}
	for range 200 {
		w.step()
	}
	if w.blamed > 0 || w.q.Held == nil || w.q.Held.For != event.MergeWaitBase || len(w.q.Entries) != 5 {
		t.Fatalf("blamed %d, held %+v, entries %d", w.blamed, w.q.Held, len(w.q.Entries))
	}
	if w.runs > 20 {
		t.Errorf("a base that stays red was checked %d times in %s", w.runs, w.q.Deadlines[0].At.Sub(w.q.Held.Since))
	}
	w.base, w.redBase = append(w.base, "person1"), false
	w.commit(w.base)
	w.run()
	if len(w.landed) != 5 || w.blamed > 0 {
		t.Fatalf("landed %v, blamed %d", w.landed, w.blamed)
	}
}

func TestMergeQueue_WorkThatMendsARedBaseLands(t *testing.T) {
	t.Parallel()
	w := newMergeWorld(t, 1)
	w.redBase = true
	for _, id := range taskIDs(3) {
		w.join(id)
	}
	for range 60 {
		w.step()
	}
	mended := w.version("t9")
	w.waits["t9"] = true
	w.do(MergeJoin{Entry: event.MergeEntry{Task: "t9", Commit: "b:" + mended, Tree: "T:" + mended, Lane: "l", Environment: w.environment()}, Branch: "main", GitDir: "/r"})
	for range 20 {
		w.step()
		if w.landed["t9"] {
			return
		}
	}
	t.Fatalf("it has not landed: %+v", w.q)
}

func TestMergeQueue_WorkOnAnUnmovedBaseLandsWithoutARun(t *testing.T) {
	t.Parallel()
	w := newMergeWorld(t, 1)
	v := w.version("t1")
	w.waits["t1"] = true
	w.do(MergeJoin{Entry: event.MergeEntry{Task: "t1", Commit: "b:" + v, Tree: "T:" + v, Lane: "l", Environment: w.environment()}, Branch: "main", GitDir: "/r"})
	w.run()
	if !w.landed["t1"] || w.runs != 0 {
		t.Fatalf("landed %v after %d runs", w.landed, w.runs)
	}
}

// TestMergeQueue_JudgesAgainInAnotherEnvironment has work whose evidence is about exactly the merged tree.
func TestMergeQueue_JudgesAgainInAnotherEnvironment(t *testing.T) {
	t.Parallel()
	for _, old := range []string{"e0", ""} {
		w := newMergeWorld(t, 1)
		w.environ = 1
		v := w.version("t1")
		w.waits["t1"] = true
		w.do(MergeJoin{Entry: event.MergeEntry{Task: "t1", Commit: "b:" + v, Tree: "T:" + v, Lane: "l", Environment: old}, Branch: "main", GitDir: "/r"})
		w.run()
		if !w.landed["t1"] || w.runs != 1 {
			t.Errorf("evidence in %q: landed %v after %d runs", old, w.landed, w.runs)
		}
		if !w.q.green(Batch{Lane: "l", MergeBuilt: event.MergeBuilt{Environment: "e1"}}, "T:"+v) {
			t.Errorf("its verdict is not known: %v", w.q.Greens)
		}
		if w.q.green(Batch{Lane: "l", MergeBuilt: event.MergeBuilt{Environment: "e2"}}, "T:"+v) || w.q.green(Batch{Lane: "l"}, "T:"+v) {
			t.Errorf("its verdict stands for any environment: %v", w.q.Greens)
		}
	}
}

func TestMergeQueue_JudgesOnlyOneLaneTogether(t *testing.T) {
	t.Parallel()
	w := newMergeWorld(t, 1)
	w.may = false
	for i, id := range taskIDs(6) {
		v := w.version(id)
		w.waits[id] = true
		w.do(MergeJoin{Entry: event.MergeEntry{Task: id, Commit: "b:" + v, Tree: "own:" + v, Lane: fmt.Sprint("l", i%2)}, Branch: "main", GitDir: "/r"})
	}
	w.may = true
	w.run()
	if len(w.landed) != 6 || w.runs != 2 {
		t.Fatalf("landed %d with %d runs", len(w.landed), w.runs)
	}
}

func TestMergeQueue_WaitsWhileNothingMayStart(t *testing.T) {
	t.Parallel()
	w := newMergeWorld(t, 1)
	w.may = false
	w.join("t1")
	w.do(MergeLook{})
	if len(w.q.Open) > 0 {
		t.Fatal("it has begun")
	}
	w.may = true
	w.do(MergeLook{})
	if len(w.q.Open) != 1 {
		t.Fatal("it has not begun")
	}
}
