package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

// gate returns the fleet's reason for starting nothing new.
func (f *Fleet) gate() string {
	f.t.Helper()
	h, err := control.Get(f.t.Context(), f.control(), control.Health{})
	if err != nil {
		f.t.Fatal(err)
	}
	return h.Fleet.Gate
}

// closed waits until admission control starts nothing new, for a reason that contains words. It makes the supervisor
// look, which otherwise happens once a minute.
func (f *Fleet) closed(words string) string {
	f.t.Helper()
	f.eventually("the gate is closed: "+words, func() bool {
		now := time.Now()
		_ = os.Chtimes(f.home+"/status/wake", now, now) // there may be no room to write it
		return strings.Contains(f.gate(), words)
	})
	return f.gate()
}

// waits proves that a task was neither lost nor charged while a resource was short.
func (f *Fleet) waits(id event.TaskID) {
	f.t.Helper()
	got := f.task(id)
	if got.State.Final() || got.State == event.Parked || got.Gen > 1 || got.Attempt > 1 {
		f.t.Errorf("%s is %s (%s: %s), generation %d", id, got.State, got.Reason, got.Detail, got.Gen)
	}
}

// TestNoMoreFilesFitOnTheDisk leaves free bytes on the disk, but no inode.
func TestNoMoreFilesFitOnTheDisk(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	config, err := os.ReadFile(f.home + "/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	mounted := mountTmp(f.home, "size=400m,nr_inodes=4000")
	if mounted != nil {
		t.Logf("no disk of its own (%v): only that the fleet works is seen", mounted)
	} else {
		f.undo = append(f.undo, func() { _ = unmount(f.home) })
		f.write(f.home+"/config.toml", string(config))
	}
	ids := f.working(1)
	pids := f.agents(ids)
	ballast := f.home + "/test-ballast"
	if mounted == nil {
		useUpInodes(t, ballast)
	}
	more := f.dispatch("write b.txt <<b\ndone")
	if mounted == nil {
		f.closed("more files fit on the disk of " + f.home)
		if out := f.must("status"); !strings.Contains(out, "more files fit") {
			t.Errorf("muster status does not say why nothing starts:\n%s", out)
		}
		f.waits(more)
		if !runs(pids[0], "sim") {
			t.Error("the agent is gone")
		}
		if err := os.RemoveAll(ballast); err != nil {
			t.Error(err)
		}
	}
	if got := f.reaches(more, event.Done); got.Gen != 1 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	f.undisturbed(ids, pids)
}

// useUpInodes makes files until the file system refuses one.
func useUpInodes(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		file, err := os.Create(fmt.Sprint(dir, "/", i))
		if err != nil {
			return
		}
		_ = file.Close()
	}
	t.Fatal("the inodes do not end")
}

// TestTheStateIsReadOnly checks that every verb which would write names the error and the path, that agents run on and
// their hooks do not fail, and that everything goes on once the state can be written again.
func TestTheStateIsReadOnly(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(1)
	pids := f.agents(ids)
	supervisor := f.only("supervise")
	f.closeControl()
	writable := f.readOnly()
	for _, args := range [][]string{
		{"dispatch", "--agent", "sim", "one more"},
		{"send", string(ids[0]), "a word"},
		{"stop", string(ids[0])},
		{"interrupt", string(ids[0])},
		{"up"},
	} {
		r := f.run(args...)
		if (r.exit == 0 || r.exit > 5) && args[0] != "up" {
			t.Errorf("%s: exit %d", args[0], r.exit)
		}
		// The first line says what failed and where. The second says what to do.
		if r.exit != 0 && (!strings.Contains(r.err, f.home) || strings.Count(strings.TrimSpace(r.err), "\n") != 1) {
			t.Errorf("%s does not say where it failed, and what to do: %s", args[0], r.err)
		}
	}
	for _, args := range [][]string{{"ls"}, {"status"}, {"show", string(ids[0])}, {"events"}, {"why", string(ids[0])}, {"logs", string(ids[0])}} {
		r := f.run(args...)
		if r.exit != 0 && !strings.Contains(r.err, f.home) {
			t.Errorf("%s: exit %d\n%s%s", args[0], r.exit, r.out, r.err)
		}
	}
	hook := f.command("hook", "claude")
	hook.Env = append(hook.Env, "MUSTER_TASK="+string(ids[0]), "MUSTER_GEN=1", "MUSTER_STATUS_FILE="+f.home+"/status/"+string(ids[0])+".1.jsonl")
	hook.Stdin = strings.NewReader(`{"hook_event_name":"PostToolUse","tool_name":"Bash","session_id":"x"}`)
	if out, err := hook.CombinedOutput(); err != nil {
		t.Errorf("a hook failed its agent: %v\n%s", err, out)
	}
	f.kill(supervisor) // the next one finds nothing that it may write
	f.eventually("the keeper has tried in vain", func() bool {
		out, err := f.tryTmux("capture-pane", "-p", "-S", "-60", "-t", "=muster:")
		return err == nil && strings.Contains(out, "again in")
	})
	if !runs(pids[0], "sim") {
		t.Error("the agent is gone")
	}
	writable()
	f.only("supervise")
	more := f.dispatch("write b.txt <<b\ndone")
	f.reaches(more, event.Done)
	f.undisturbed(ids, pids)
}

// readOnly makes the state read-only, and returns the function that makes it writable again.
func (f *Fleet) readOnly() (writable func()) {
	f.t.Helper()
	if err := mountReadOnly(f.home); err == nil {
		over := false
		writable = func() {
			if !over {
				over = true
				_ = unmount(f.home)
			}
		}
	} else {
		f.t.Logf("it cannot be mounted so (%v): permissions instead", err)
		names := []string{f.home, f.home + "/status", f.home + "/muster.db", f.home + "/muster.db-wal", f.home + "/muster.db-shm"}
		set := func(dir, file os.FileMode) {
			for i, name := range names {
				mode := file
				if i < 2 {
					mode = dir
				}
				_ = os.Chmod(name, mode)
			}
		}
		set(0o500, 0o400)
		writable = func() { set(0o700, 0o600) }
	}
	f.undo = append(f.undo, writable)
	return writable
}

// TestNoMoreDescriptors checks a supervisor that cannot open another file. Nothing is lost, no task is charged for it,
// and the supervisor goes on when it can.
func TestNoMoreDescriptors(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	supervisor := f.only("supervise")
	was, err := limitFiles(supervisor, 5)
	if err != nil {
		t.Logf("its limit cannot be set (%v): only that the fleet works is seen", err)
	}
	more := f.dispatch("write b.txt <<b\ndone", "--check", "test=true")
	if err == nil {
		why := f.closed("the machine lacks something")
		t.Logf("it says: %s", why)
		f.waits(more)
		if _, err := limitFiles(supervisor, was); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.reaches(more, event.Done); got.Gen != 1 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d", got.Gen, got.Attempt)
	}
	f.eventually("the gate is open again", func() bool { return f.gate() == "" })
	if now := f.only("supervise"); now != supervisor {
		t.Error("the supervisor did not live through it")
	}
	f.undisturbed(ids, pids)
}

// TestTooLittleMemory checks that nothing starts with less memory than the configuration requires, and that running
// agents are left alone.
func TestTooLittleMemory(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(1)
	pids := f.agents(ids)
	config, err := os.ReadFile(f.home + "/config.toml")
	if err != nil {
		t.Fatal(err)
	}
	asks := func(memory string) { // a supervisor reads its configuration when it starts
		f.write(f.home+"/config.toml", strings.Replace(string(config), "min_free_memory = 1\n", "min_free_memory = "+memory+"\n", 1))
		f.kill(f.only("supervise"))
		f.only("supervise")
	}
	asks(`"4000GiB"`)
	more := f.dispatch("write b.txt <<b\ndone")
	why := f.closed("of memory are free")
	if !strings.Contains(why, "min_free_memory") {
		t.Errorf("it does not name the setting: %s", why)
	}
	if out := f.must("status"); !strings.Contains(out, "min_free_memory") {
		t.Errorf("muster status does not say why nothing starts:\n%s", out)
	}
	if got := f.task(more); got.State != event.Queued {
		t.Errorf("%s: %s", got.State, got.Detail)
	}
	if !runs(pids[0], "sim") {
		t.Error("the agent is gone")
	}
	asks("1")
	f.reaches(more, event.Done)
	f.undisturbed(ids, pids)
	if n := len(payloads[event.GateClosed](f, "")); n != 1 {
		t.Errorf("the log says %d times that nothing starts", n)
	}
}

// TestATornStatusLine checks that the reader waits for the rest of a line that a full disk cut off, and that neither
// earlier nor later lines are lost.
func TestATornStatusLine(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("mark here\nawait-file go-on\nwork 1ms after\nmark there\nawait-file go-on-2\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	path := fmt.Sprintf("%s/status/%s.1.jsonl", f.home, id)
	appendText := func(text string) {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteString(text)
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	appendText(`{"state":"working","note":"whole"}` + "\n" + `{"state":"working","no`)
	f.until(id, "has said what was whole", func(t life.Task) bool { return t.Note == "whole" })
	appendText(`te":"completed"}` + "\n")
	f.until(id, "has said what was completed", func(t life.Task) bool { return t.Note == "completed" })
	appendText(`{"state":"done","no`) // and this line never gets a newline
	f.release(id, "go-on")
	f.marks(id, "there")
	f.until(id, "has said what came behind", func(t life.Task) bool { return t.Note == "after" })
	if got := f.task(id); got.Agent.Claimed || got.State != event.Working {
		t.Errorf("half a line was obeyed: %s", got.State)
	}
	f.release(id, "go-on-2")
	f.reaches(id, event.Done)
}

// TestAStatusFileWithoutEnd checks that an agent which writes its status in a loop is parked before it fills the disk,
// and that the fleet goes on meanwhile.
func TestAStatusFileWithoutEnd(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(1)
	pids := f.agents(ids)
	id := f.dispatch(`once run yes '{"state":"working","note":"again and again"}' | head -c 70000000 >> "$MUSTER_STATUS_FILE"
await-file go-on
write a.txt <<x
done`, "--check", "test=true")
	got := f.reaches(id, event.Parked)
	if got.Reason != life.ReasonFlood || !strings.Contains(got.Detail, "MiB") {
		t.Errorf("parked for %s: %s", got.Reason, got.Detail)
	}
	f.until(id, "rests", taskRests)
	more := f.dispatch("write b.txt <<b\ndone")
	f.reaches(more, event.Done)
	if n := len(f.events(id)); n > 1000 {
		t.Errorf("%d events", n)
	}
	if out := f.must("why", string(id)); !strings.Contains(out, "status file") {
		t.Errorf("muster why does not explain it:\n%s", out)
	}
	f.must("retry", string(id))
	f.until(id, "is at work again", func(t life.Task) bool { return t.State == event.Working && t.Gen > 1 })
	f.release(id, "go-on")
	f.until(id, "is done", func(t life.Task) bool { return t.State == event.Done })
	f.undisturbed(ids, pids)
}

// TestAPaneThatFloods checks that an agent's output is bounded by its pane's history, and costs the supervisor
// nothing.
func TestAPaneThatFloods(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	id := f.dispatch("mark here\nawait-file go-on\nflood 30MB\nmark there\nawait-file go-on-2\nwrite a.txt <<x\ndone")
	f.marks(id, "here")
	server, supervisor := f.server(), f.only("supervise")
	_, rssBefore := spent(t, server)
	cpuBefore, _ := spent(t, supervisor)
	f.release(id, "go-on")
	f.marks(id, "there")
	more := f.dispatch("write b.txt <<b\ndone")
	f.reaches(more, event.Done)
	_, rss := spent(t, server)
	cpu, _ := spent(t, supervisor)
	t.Logf("30 MB printed: tmux grew by %d KiB, the supervisor used %v", (rss-rssBefore)>>10, cpu-cpuBefore)
	if grown := rss - rssBefore; grown > 20<<20 {
		t.Errorf("tmux grew by %d MiB", grown>>20)
	}
	if used := cpu - cpuBefore; used > 3*time.Second { // another task was completed meanwhile
		t.Errorf("the supervisor used %v", used)
	}
	f.release(id, "go-on-2")
	f.reaches(id, event.Done)
}
