package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/lock"
	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// fast is the speed of a test's clock relative to the wall clock, unless the test asks for another.
const fast = 100

// fastClock runs times as fast as the wall clock.
type fastClock struct {
	began time.Time
	times time.Duration
}

func (c fastClock) Now() time.Time { return c.began.Add(time.Since(c.began) * c.times) }

func (c fastClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	return wallClock{}.Timer(d / c.times)
}

// world returns the path of a file in the directory of a keeper under test. `pids` gets a line from each supervisor,
// `say` tells the supervisor how to end, `down` and `gone` answer the keeper's questions, `revived` records calls of
// Revive, and `log` holds the keeper's messages.
func world(dir, name string) string { return filepath.Join(dir, name) }

func there(dir, name string) bool {
	_, err := os.Stat(world(dir, name))
	return err == nil
}

func keeperOf(dir string) Keeper {
	return Keeper{
		Supervise: []string{os.Args[0], dir}, Env: []string{proc.RoleVar + "=supervise"}, LockPath: world(dir, "keeper.lock"),
		Down:       func() bool { return there(dir, "down") },
		ServerGone: func(context.Context) bool { return there(dir, "gone") },
		Revive: func(context.Context) error {
			held, err := lock.Held(world(dir, "keeper.lock"))
			note(dir, "revived", fmt.Sprintf("lock held: %v %v", held, err))
			if there(dir, "broken") {
				return errors.New("no server today")
			}
			return nil
		},
		Upgrades: Upgrades{
			Request: world(dir, "upgrade"), Outcome: world(dir, "outcome"),
			Adopt:        func(program string) error { note(dir, "adopted", program); return nil },
			RestoreState: func(context.Context) error { note(dir, "put-back", "yes"); return nil },
		},
		Progress: progressOf(dir),
		Log:      func(s string) { note(dir, "log", s) },
		Clock:    clockOf(dir),
	}
}

// clockOf returns the wall clock for a directory with the file `wall`, a moderately fast clock with `slow`, and
// otherwise a fast one.
func clockOf(dir string) Clock {
	switch {
	case there(dir, "wall"):
		return wallClock{}
	case there(dir, "slow"):
		return fastClock{time.Now(), 5}
	}
	return fastClock{time.Now(), fast}
}

// progressOf returns nil, except for a directory with the file `progress`, the content of which it returns.
func progressOf(dir string) func(int) string {
	if !there(dir, "progress") {
		return nil
	}
	return func(int) string {
		b, _ := os.ReadFile(world(dir, "progress"))
		return string(b)
	}
}

// note appends a line.
func note(dir, name, line string) {
	f, err := os.OpenFile(world(dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close() //nolint:errcheck // a test's note
	fmt.Fprintln(f, line)
}

func playKeeper(dir string) int {
	return fault.ExitCode(keeperOf(dir).Serve(context.Background()))
}

// playSupervisor ends as `say` tells it: "crash" or "ok". Without `say` it runs until SIGTERM, then says bye. Under
// the name "quits" it exits at once, and under the name "hangs" it never reports that it is ready.
func playSupervisor(dir string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	kept, voice := ReadHandoff(os.Getenv)
	note(dir, "kept", fmt.Sprintf("%s: %s > %s %s", filepath.Base(os.Args[0]), kept.From, kept.To, kept.Why))
	note(dir, "pids", strconv.Itoa(os.Getpid()))
	if signal.Ignored(syscall.SIGHUP) {
		note(dir, "log", "the supervisor was born deaf to SIGHUP")
	}
	beats := 0
	b, _ := os.ReadFile(world(dir, "say"))
	switch string(b) {
	case "beat":
		beats = 1
	case "beat on":
		beats = 10 * looksReady
	case "crash":
		return 1
	case "ok":
		return 0
	}
	switch filepath.Base(os.Args[0]) {
	case "quits":
		return 1
	case "hangs":
	default:
		if string(b) != "mute" {
			voice.Ready()
		}
	}
	for range beats {
		voice.Beat()
		<-time.After(lookPause / fast)
	}
	note(dir, "staying", strconv.Itoa(os.Getpid()))
	<-term
	note(dir, "log", "bye")
	return 0
}

func pids(t *testing.T, dir string) []string {
	t.Helper()
	return strings.Fields(files.Read(t, world(dir, "pids")))
}

func TestKeeperRestartsWithGrowingDelay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "say"), "crash")
	cmd := proc.Role("keep", dir)
	proc.Start(t, cmd)
	await.Until(t, "it crashed 5 times", func() bool { return len(pids(t, dir)) >= 5 })
	log := files.Read(t, world(dir, "log"))
	for i, delay := range []string{"100ms", "200ms", "400ms", "800ms"} {
		lines := strings.Split(log, "\n")
		if !strings.Contains(lines[i], "exit status 1") || !strings.HasSuffix(lines[i], "again in "+delay) {
			t.Errorf("line %d is %q, want delay %s", i, lines[i], delay)
		}
	}
	// The fleet is told to be down: the next supervisor exits with status 0, and the keeper with it.
	files.Write(t, world(dir, "down"), "")
	files.Write(t, world(dir, "say"), "ok")
	if err := cmd.Wait(); err != nil {
		t.Errorf("keeper ended with %v", err)
	}
	if there(dir, "revived") {
		t.Error("revived a fleet that was told to be down")
	}
}

func TestAKeeperThatWaitsCanBeHurried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "say"), "crash")
	proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it waits for long", func() bool { return strings.Contains(files.Read(t, world(dir, "log")), "again in 3.2s") })
	before := len(pids(t, dir))
	began := time.Now()
	for i := range 3 { // each delay would be longer
		Wake(world(dir, "keeper.lock"))
		await.Until(t, "it is started at once", func() bool { return len(pids(t, dir)) > before+i })
	}
	if took := time.Since(began); took > 10*time.Second { // 3.2 s, 6.4 s and 12.8 s without the wake-up
		t.Errorf("three starts took %s", took)
	}
}

func TestKeeperRestartsAKilledSupervisorAndOneThatEndedUnasked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	first := proc.Identify(t, pids(t, dir)[0])
	if err := first.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "it runs again", func() bool { return len(pids(t, dir)) == 2 })
	if err := proc.Identify(t, pids(t, dir)[1]).Signal(syscall.SIGTERM); err != nil { // ends with status 0
		t.Fatal(err)
	}
	await.Until(t, "it runs once more", func() bool { return len(pids(t, dir)) == 3 })
}

func TestKeeperForgivesAfterAHealthyLife(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "say"), "crash")
	proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it crashed", func() bool { return len(pids(t, dir)) >= 3 })
	if err := os.Remove(world(dir, "say")); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "one stays", func() bool { return files.Read(t, world(dir, "staying")) != "" })
	n := len(pids(t, dir))
	last := proc.Identify(t, files.Read(t, world(dir, "staying")))
	lived := time.Now()
	await.Until(t, "it lived a minute of its own time", func() bool { return time.Since(lived) > healthyLife/fast*5/4 })
	if err := last.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "its end is said", func() bool { return strings.Count(files.Read(t, world(dir, "log")), "again in") >= n })
	lines := strings.Split(strings.TrimSpace(files.Read(t, world(dir, "log"))), "\n")
	if got := lines[n-1]; !strings.HasSuffix(got, "again in 100ms") {
		t.Errorf("after a healthy life: %q, want a delay of 100ms", got)
	}
}

func TestOnlyOneKeeper(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	if code, said := proc.Finish(t, proc.Role("keep", dir)); code != 0 || len(pids(t, dir)) != 1 {
		t.Errorf("second keeper: exit %d, said %q, supervisors %q", code, said, pids(t, dir))
	}
	if pid, ok := lock.Holder(world(dir, "keeper.lock")); !ok || pid != first.PID {
		t.Errorf("Holder = %d, %v", pid, ok)
	}
}

func TestKeeperSurvivesAHangUpAndKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keeper := proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP} {
		if err := keeper.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	// The probes after the hang-up are over and the server lives, so nothing has changed.
	supervisor := proc.Identify(t, pids(t, dir)[0])
	began := time.Now()
	await.Until(t, "the probes are over", func() bool { return time.Since(began) > 2*lastProbe*2/fast })
	if !keeper.Alive() || !supervisor.Alive() || len(pids(t, dir)) != 1 || there(dir, "revived") {
		t.Errorf("keeper %v, supervisor %v, supervisors %q", keeper.Alive(), supervisor.Alive(), pids(t, dir))
	}
	if strings.Contains(files.Read(t, world(dir, "log")), "deaf") {
		t.Error("the supervisor inherited the keeper's deafness")
	}
}

func TestKeeperBringsTheFleetBackWhenTheServerDies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := proc.Role("keep", dir)
	keeper := proc.Start(t, cmd)
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	if err := keeper.Signal(syscall.SIGHUP); err != nil { // arrives before the server is really gone
		t.Fatal(err)
	}
	files.Write(t, world(dir, "gone"), "")
	if err := cmd.Wait(); err != nil {
		t.Errorf("keeper ended with %v", err)
	}
	if got := files.Read(t, world(dir, "revived")); got != "lock held: false <nil>\n" {
		t.Errorf("revived: %q", got)
	}
	if !strings.Contains(files.Read(t, world(dir, "log")), "bye") || proc.Identify(t, pids(t, dir)[0]).Alive() {
		t.Error("the supervisor was not ended in good order")
	}
}

func TestKeeperDoesNotReviveAFleetThatIsDown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := proc.Role("keep", dir)
	keeper := proc.Start(t, cmd)
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	files.Write(t, world(dir, "down"), "")
	files.Write(t, world(dir, "gone"), "")
	if err := keeper.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || there(dir, "revived") {
		t.Errorf("keeper ended with %v, revived %v", err, there(dir, "revived"))
	}
}

func TestKeeperNoticesTheServersDeathByItsChilds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "gone"), "")
	files.Write(t, world(dir, "broken"), "")
	files.Write(t, world(dir, "say"), "crash")
	cmd := proc.Role("keep", dir)
	proc.Start(t, cmd)
	await.Until(t, "it tried twice", func() bool { return strings.Count(files.Read(t, world(dir, "revived")), "\n") >= 2 })
	if err := os.Remove(world(dir, "broken")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || len(pids(t, dir)) != 1 {
		t.Errorf("keeper ended with %v, supervisors %q", err, pids(t, dir))
	}
}

func TestKeeperEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = keeperOf(dir).Serve(ctx) })
	await.Until(t, "it runs", func() bool { return there(dir, "staying") })
	cancel()
	wg.Wait()
	if !errors.Is(err, context.Canceled) || proc.Identify(t, pids(t, dir)[0]).Alive() {
		t.Errorf("Serve = %v, supervisor alive: %v", err, proc.Identify(t, pids(t, dir)[0]).Alive())
	}
}
