package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/testkit/model"
)

// upgraded is the output of `muster upgrade --json`.
type upgraded struct {
	Upgraded   bool
	Pending    bool
	RolledBack bool `json:"rolled_back"`
	From, To   string
	Why        string
	AwayMS     int64 `json:"away_ms"`
}

// upgrade upgrades to a version, and requires this exit status.
func (f *Fleet) upgrade(program string, exit int) upgraded {
	f.t.Helper()
	r := f.run("upgrade", "--json", program)
	if r.exit != exit {
		f.t.Fatalf("upgrade: exit %d, want %d\n%s%s", r.exit, exit, r.out, r.err)
	}
	var u upgraded
	if exit <= 1 {
		if err := json.Unmarshal([]byte(r.out), &u); err != nil {
			f.t.Fatalf("upgrade printed %q: %v", r.out, err)
		}
	}
	return u
}

// kinds returns all events of one kind of the fleet itself.
func kinds[P event.Payload](f *Fleet) []P { return payloads[P](f, "") }

// goFilesWithTool returns goFiles and a tool that waits until the test releases it.
func goFilesWithTool() map[string]string {
	files := map[string]string{"tool.sh": "echo $$ >> \"$TMPDIR/tool\"\nwhile ! test -e \"$TMPDIR/let-go\"; do sleep 0.05; done\n"}
	for name, text := range goFiles {
		files[name] = text
	}
	return files
}

// TestAFleetAtWorkIsUpgraded checks that twenty scripted agents and one real agent notice nothing of an upgrade. The
// real agent is in the middle of its turn and has a tool call open. Its model notices nothing either.
func TestAFleetAtWorkIsUpgraded(t *testing.T) {
	t.Parallel()
	r := newClaudeRig(t, goChecks, goFilesWithTool())
	r.configure(goChecks, `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
	r.userConfig("[fleet]\nmax_agents = 24\nmax_checks = 3\nmin_free_disk = 1\nmin_free_memory = 1\n")
	file := r.workFile("t1", "the answer", "answer.go")
	r.model.Add(
		useRead(file),
		useBash("sh tool.sh"), // the upgrade happens here
		useEdit(file, "return 0", "return 41"),
		model.Text("Done."),
		useEdit(file, "return 41", "return 42"),
		model.Text("Mended."),
	)
	id := r.queue("the answer", "Make the test pass.")
	tool := r.tmp("t1", "tool")
	r.await("the tool runs", func() bool { return linesOf(tool) == 1 })
	var ids []event.TaskID
	for range 20 {
		ids = append(ids, r.dispatch(steady, "--no-checks"))
	}
	for _, id := range ids {
		r.marks(id, "here")
		r.reaches(id, event.Working)
	}
	pids, agent, hooks := r.agents(ids), r.task(id).Agent.Process.PID, r.hookProgram(id)

	u := r.upgrade(r.version(sound), 0)
	t.Logf("the fleet was unattended for %d ms, with %d agents", u.AwayMS, len(ids)+1)
	if !u.Upgraded || u.AwayMS <= 0 || u.AwayMS > 15_000 { // a busy machine; package bench has the real limit
		t.Errorf("upgraded: %+v", u)
	}
	if got := r.supervisedBy(); got != sound {
		t.Errorf("supervised by %q", got)
	}
	r.oneOfEach()
	if got := r.task(id); got.Agent.Process.PID != agent || got.Gen != 1 || !alive(agent) || linesOf(tool) != 1 {
		t.Errorf("the agent is another: %+v", got.Agent)
	}
	if got := kinds[event.SupervisorUpgraded](r.Fleet); len(got) != 1 || got[0].From != u.From || got[0].To != u.To {
		t.Errorf("recorded: %+v", got)
	}
	r.write(r.tmp("t1", "let-go"), "")
	got := r.becomes(id, event.Done)
	if r.hookProgram(id) != hooks || filepath.Base(hooks) != u.From {
		t.Errorf("its hooks run %s, and before the upgrade %s", r.hookProgram(id), hooks)
	}
	if n := len(r.model.Requests()); n != 6 || r.model.Left() != 0 {
		t.Errorf("the model was called %d times, and %d of its steps are left, want 6 and 0", n, r.model.Left())
	}
	r.once("Make the test pass.", "[muster m1]")
	if got.Gen != 1 || got.Attempt != 1 || linesOf(tool) != 1 {
		t.Errorf("generation %d, attempt %d, the tool ran %d times", got.Gen, got.Attempt, linesOf(tool))
	}
	r.undisturbed(ids, pids)
	r.checkDone(got)
}

// hookProgram returns the program that the settings of a task's agent name for its hooks.
func (f *Fleet) hookProgram(id event.TaskID) string {
	f.t.Helper()
	found := map[string]bool{}
	files, _ := filepath.Glob(filepath.Join(f.home, "gen", string(id)+".1", "ro", "*.json"))
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, part := range bytes.Split(data, []byte(f.home+"/bin/muster-"))[1:] {
			end := bytes.IndexAny(part, "\"' ")
			found[f.home+"/bin/muster-"+string(part[:max(0, end)])] = true
		}
	}
	if len(found) != 1 {
		f.t.Fatalf("hooks of %s name %v", id, found)
	}
	for path := range found {
		if _, err := os.Stat(path); err != nil {
			f.t.Error(err)
		}
		return path
	}
	return ""
}

// TestABrokenVersionIsRolledBack tries all kinds of broken versions, one after the other, under the same agents.
func TestABrokenVersionIsRolledBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(hurryFile(f.home), "")
	ids := f.working(3)
	pids := f.agents(ids)

	first := f.only("supervise")
	r := f.run("upgrade", f.version(blind))
	if r.exit != 4 || !strings.Contains(r.err, "all Greek") || f.only("supervise") != first {
		t.Errorf("a blind version: exit %d, %s", r.exit, r.err)
	}
	for n, c := range []struct{ word, why string }{{quits, "exit status 3"}, {hangs, "nothing was heard of it"}, {moves, "exit status 3"}} {
		u := f.upgrade(f.version(c.word), 1)
		if !u.RolledBack || u.Upgraded || !strings.Contains(u.Why, c.why) {
			t.Errorf("%s: %+v", c.word, u)
		}
		if got := f.supervisedBy(); got != "" {
			t.Errorf("%s: supervised by %q", c.word, got)
		}
		all := kinds[event.UpgradeRolledBack](f)
		if len(all) != n+1 || all[n].To != u.To || !strings.Contains(all[n].Why, c.why) {
			t.Errorf("%s: recorded: %+v", c.word, all)
		}
	}
	if len(kinds[event.SupervisorUpgraded](f)) > 0 {
		t.Error("an upgrade was recorded")
	}
	f.oneOfEach()
	f.undisturbed(ids, pids)
}

// TestTheKeeperIsKilledInAnUpgrade checks that the next keeper continues the upgrade, and that the rollback still
// works.
func TestTheKeeperIsKilledInAnUpgrade(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	verb := f.command("upgrade", f.version(hangs))
	var said bytes.Buffer
	verb.Stderr = &said
	if err := verb.Start(); err != nil {
		t.Fatal(err)
	}
	f.eventually("the new version is on trial", func() bool { return f.supervisedBy() == hangs })
	f.write(hurryFile(f.home), "") // for the next keeper
	f.kill(f.only("keep"))
	f.up()
	_ = verb.Wait()
	if got := verb.ProcessState.ExitCode(); got != 1 || !strings.Contains(said.String(), "rolled back to ") {
		t.Errorf("upgrade: exit %d, %s", got, said.String())
	}
	f.oneOfEach()
	if got := f.supervisedBy(); got != "" {
		t.Errorf("supervised by %q", got)
	}
	f.undisturbed(ids, pids)
}

// TestTheVerbIsKilledInAnUpgrade checks that an upgrade does not need the verb once the keeper was asked.
func TestTheVerbIsKilledInAnUpgrade(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	verb := f.command("upgrade", f.version(sound))
	if err := verb.Start(); err != nil {
		t.Fatal(err)
	}
	old := f.only("supervise")
	f.eventually("the old supervisor was told to end", func() bool { return !alive(old) })
	_ = verb.Process.Kill()
	_ = verb.Wait()
	f.eventually("the new version supervises", func() bool { return f.supervisedBy() == sound })
	f.eventually("the request is settled", func() bool { _, err := os.Stat(f.home + "/upgrade"); return err != nil })
	f.oneOfEach()
	f.undisturbed(ids, pids)
}

// TestManyUpgradesAtOnce checks that one upgrade wins, and that the others are told so or come after it. There is
// never more than one supervisor.
func TestManyUpgradesAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	words := []string{"one", "two", "three"}
	var programs []string
	for _, w := range words {
		programs = append(programs, f.version(w))
	}
	out := make([]ran, len(words))
	var wg sync.WaitGroup
	for i, p := range programs {
		wg.Go(func() { out[i] = f.run("upgrade", p) })
	}
	wg.Wait()
	won := 0
	for i, r := range out {
		switch r.exit {
		case 0:
			won++
		case 4:
			if !strings.Contains(r.err, "under way") {
				t.Errorf("%s: %s", words[i], r.err)
			}
		default:
			t.Errorf("%s: exit %d, %s", words[i], r.exit, r.err)
		}
	}
	if got := f.supervisedBy(); won == 0 || !slices.Contains(words, got) || len(kinds[event.SupervisorUpgraded](f)) != won {
		t.Errorf("%d won, supervised by %q", won, got)
	}
	f.oneOfEach()
	f.undisturbed(ids, pids)
}

// TestAnUpgradeIsForGood checks that the new version is used however the fleet is brought back later, unless a person
// upgrades to the old one.
func TestAnUpgradeIsForGood(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	old, err := program()
	if err != nil {
		t.Fatal(err)
	}
	f.upgrade(f.version(sound), 0)
	stays := func(after string) {
		t.Helper()
		f.eventually("the new version supervises after "+after, func() bool { return f.supervisedBy() == sound })
		f.oneOfEach()
	}
	f.kill(f.only("supervise"))
	stays("its death")
	f.kill(f.server()) // its keeper still is the old one
	stays("the death of the server")
	f.kill(f.only("keep"))
	f.up() // with the old program
	stays("the keeper's death")
	f.must("down")
	f.eventually("nobody supervises", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	f.up()
	stays("down and up")
	f.must("down")
	f.eventually("nobody supervises", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	if err := os.Remove(f.home + "/down"); err != nil { // as after a reboot of a fleet that was up
		t.Fatal(err)
	}
	service := f.command("service", "run")
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	stays("a reboot, by the service of the old one")
	if f.eventually("the service gave way to the new version", func() bool { return f.wordOfProcess(service.Process.Pid) == sound }); !runs(service.Process.Pid, "service") {
		t.Error("the service has ended")
	}
	_ = service.Process.Kill()
	_ = service.Wait()
	id := f.dispatch(steady, "--check", twoLines)
	f.marks(id, "here")
	f.kill(f.server())
	f.resumed([]event.TaskID{id})
	stays("the next death of the server")
	f.upgrade(old, 0)
	if got := f.supervisedBy(); got != "" {
		t.Errorf("supervised by %q", got)
	}
	f.must("down")
	f.up()
	f.eventually("the old version is back for good", func() bool { return f.supervisedBy() == "" })
}

// TestAnUpgradeThatTheServersDeathInterrupts checks that the fleet comes back as one, with one of the two versions.
func TestAnUpgradeThatTheServersDeathInterrupts(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(hurryFile(f.home), "")
	ids := f.working(2)
	verb := f.command("upgrade", f.version(hangs))
	if err := verb.Start(); err != nil {
		t.Fatal(err)
	}
	f.eventually("the new version is on trial", func() bool { return f.supervisedBy() == hangs })
	f.kill(f.server())
	_ = verb.Wait()
	if got := verb.ProcessState.ExitCode(); got != 1 {
		t.Errorf("upgrade: exit %d", got)
	}
	f.resumed(ids)
	f.oneOfEach()
	if got := f.supervisedBy(); got != "" {
		t.Errorf("supervised by %q", got)
	}
}

// TestADowngradeThatCannotReadTheState checks a state of a newer version than the program that would take it over.
func TestADowngradeThatCannotReadTheState(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	f.must("down")
	f.eventually("nobody supervises", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	format := func(n int) (was int) {
		t.Helper()
		db, err := sql.Open("sqlite", f.home+"/muster.db")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if err := db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&was); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = "+strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		return was
	}
	was := format(900)
	r := f.run("upgrade", f.version(sound))
	if r.exit != 4 || !strings.Contains(r.err, "has format 900") || !strings.Contains(r.err, "cannot take this fleet over") {
		t.Errorf("exit %d, %s", r.exit, r.err)
	}
	if _, err := os.Stat(f.home + "/upgrade"); err == nil {
		t.Error("the next keeper is asked for it nevertheless")
	}
	format(was)
	began := time.Now()
	f.up()
	t.Logf("up again after %v", time.Since(began).Round(time.Millisecond))
}
