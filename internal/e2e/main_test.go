package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"muster/internal/cli"
	"muster/internal/fleet"
	"muster/internal/testkit/acp"
	testprogram "muster/internal/testkit/program"
)

// TestMain runs muster when the test binary is called by that name, as the copies in <state>/bin are, and the agent that speaks a protocol by its.
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "muster") {
		os.Exit(play(os.Args[1:]))
	}
	if acp.Called(os.Args[0]) {
		os.Exit(acp.Main(os.Args[1:]))
	}
	os.Exit(runAll(m))
}

// musterProgram is the one program that all fleets start from: a copy of the test binary under a name that makes it
// muster. If the tests run under the race detector, the program is built without it, because a fleet starts some
// program at every call of a tool. Only its supervisors become this test binary (see supervise).
var musterProgram = testprogram.Temp{Name: "muster", Make: func(path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if testprogram.Raced {
		return testprogram.BuildTest(path, "-X muster/internal/e2e.racer="+self)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o700)
}}

// program returns the path of musterProgram.
func program() (string, error) { return musterProgram.Path() }

// racer is the path of the test binary with the race detector, in a program that was built without it. The linker sets
// it.
var racer string

// exeVar names the program that a supervisor under the race detector replaces.
const exeVar = "MUSTER_E2E_EXE"

// supervise replaces this process by the test binary with the race detector, if that binary runs the tests. It does not
// replace the versions that tests make, nor supervisors with a plan to die, of which hundreds start.
func supervise(exe, home string) error {
	if _, err := os.Stat(planFile(home)); racer == "" || wordOf(exe) != "" || err == nil {
		return nil
	}
	others := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GORACE=") })
	// Without the first option a program sleeps for a second before it exits.
	return syscall.Exec(racer, os.Args, append(others, exeVar+"="+exe, "GORACE=atexit_sleep_ms=0 log_path="+raceLog(home)))
}

func runAll(m *testing.M) int {
	defer musterProgram.Remove()
	// Fleets mostly wait, so atOnce bounds them, not the number of cores.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(8*runtime.NumCPU())); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status := m.Run()
	if *chaosDeaths > 0 { // the last line of the output
		fmt.Println(chaosSummary)
	}
	return status
}

// paceFile holds a factor for the pauses between questions to a forge.
func paceFile(home string) string { return filepath.Join(home, "test-pace") }

// hurried returns wrap with such a factor.
func hurried(wrap func(fleet.Config) fleet.Config, pace string) func(fleet.Config) fleet.Config {
	return func(c fleet.Config) fleet.Config {
		factor, _ := strconv.ParseFloat(pace, 64)
		if changes, ok := c.Changes.(interface{ Hurry(factor float64) }); ok {
			changes.Hurry(factor)
		}
		if wrap != nil {
			c = wrap(c)
		}
		return c
	}
}

// raceLog is where the race detector of a fleet's supervisor writes. The harness fails the test for any report.
func raceLog(home string) string { return filepath.Join(home, "race") }

// play runs one call of muster.
func play(args []string) int {
	env, err := cli.OSEnv()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	home := env.Getenv("MUSTER_HOME")
	if exe := env.Getenv(exeVar); testprogram.Raced && exe != "" {
		env.Exe = exe
		env.Environ = slices.DeleteFunc(env.Environ, func(kv string) bool { return strings.HasPrefix(kv, exeVar+"=") })
	} else if verb == "supervise" {
		if err := supervise(env.Exe, home); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	switch verb {
	case "keep":
		env.KeeperClock = hurrying(home)
		if _, err := os.Stat(planFile(home)); err == nil {
			env.KeeperClock = forgivingClock{}
		}
	case "supervise":
		if status, broken := playBroken(env.Exe, args); broken {
			return status
		}
		env.Now = skewed(home)
		if point := dying(home); point != nil {
			env.Wrap = func(c fleet.Config) fleet.Config { return wrapped(c, point) }
			watchFiles(point)
		}
		if pace, err := os.ReadFile(paceFile(home)); err == nil {
			env.Wrap = hurried(env.Wrap, string(pace))
		}
		if slow := slowStart(home); slow != nil {
			env.Wrap = slow
		}
	case "up":
		env.Now = skewed(home)
	case "sim":
		watchTwin(env.Getenv("MUSTER_SIM_LOG"), env.Getenv("MUSTER_TASK"))
	}
	return cli.Run(args, env)
}

// watchTwin checks, when a scripted agent begins, whether an earlier agent of its task is still alive. It asks the
// kernel, in addition to the intervals in the log.
func watchTwin(log, task string) {
	for _, l := range readSimLog(log) {
		if l.word != "begin" || l.task != task || l.pid == os.Getpid() || !runs(l.pid, "sim") {
			continue
		}
		appendLine(log, "TWIN "+task+" "+strconv.Itoa(l.pid)+" lives while "+strconv.Itoa(os.Getpid())+" begins")
	}
	appendLine(log, fmt.Sprintf("who %d %s", os.Getpid(), task))
}

func appendLine(path, line string) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = f.WriteString(line + "\n")
	_ = f.Close()
}
