package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"muster/internal/fence/fencetest"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/testkit/program"
	"muster/internal/tmux"
)

// TestMain makes `muster` a command of scripts. It runs the program muster, which is first in a script's PATH.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"muster": func() { panic("muster is not in PATH") }, "oldkernel": oldKernel, "landlock": landlock})
}

// oldKernel is `oldkernel CMD…`: it runs a command as on a kernel without Landlock.
func oldKernel() {
	err := fencetest.HideLandlock()
	path, lookErr := exec.LookPath(os.Args[1])
	if err = errors.Join(err, lookErr); err == nil {
		err = syscall.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}

// landlock is `landlock ABI CMD…`: it runs a command as on a kernel with that version of Landlock.
func landlock() {
	abi, err := strconv.Atoi(os.Args[1])
	cmd := exec.Command(os.Args[2], os.Args[3:]...) //nolint:noctx // the script has a limit
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err == nil {
		err = fencetest.WithABI(abi, cmd.Start)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	_ = cmd.Wait()
	os.Exit(cmd.ProcessState.ExitCode())
}

// tests removes the program after all tests have run.
type tests struct{ *testing.M }

func (t tests) Run() int {
	status := t.M.Run()
	muster.Remove()
	return status
}

// muster is the one program that all scripts, panes and hooks call, built as it is shipped.
var muster = program.Temp{Name: "muster", Make: func(path string) error { return program.Build(path, "muster/cmd/muster") }}

// TestScript runs the scripts. Each script documents a verb, and has its own fleet.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireUniqueNames: true, Setup: setUpScript,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"repo": repoCommand, "eventually": eventuallyCommand, "exits": exitsCommand,
		},
	})
}

// setUpScript makes a home with a git identity and a state directory for a script. When the script is over, it ends
// the script's fleet.
func setUpScript(env *testscript.Env) error {
	state, userHome := filepath.Join(env.WorkDir, "state"), filepath.Join(env.WorkDir, "home")
	path, err := muster.Path()
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"MUSTER_HOME": state, "HOME": userHome, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8", "SHELL": "/bin/sh", "TZ": "UTC",
		"TMUX": "", "MUSTER_TASK": "", "MUSTER_STATUS_FILE": "",
		"PATH": filepath.Dir(path) + string(os.PathListSeparator) + env.Getenv("PATH"),
	} {
		env.Setenv(k, v)
	}
	if err := os.MkdirAll(userHome, 0o755); err != nil {
		return err
	}
	const identity = "[user]\n\tname = Pat\n\temail = pat@example.org\n[init]\n\tdefaultBranch = main\n[commit]\n\tgpgSign = false\n"
	if err := os.WriteFile(filepath.Join(userHome, ".gitconfig"), []byte(identity), 0o600); err != nil {
		return err
	}
	env.Defer(func() { endFleet(env, home.Dir(state)) })
	return nil
}

// endFleet ends everything of a script's fleet, however the script ended: first it writes the marker that stops the
// keeper from bringing the fleet back, then it ends the terminal, then everything that carries the fleet's name.
func endFleet(env *testscript.Env, h home.Dir) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if failed, ok := env.T().(interface{ Failed() bool }); ok && failed.Failed() {
		if log, err := os.ReadFile(h.Log()); err == nil {
			env.T().Log("supervisor.log:\n" + string(log))
		}
	}
	if _, err := os.Stat(string(h)); err == nil {
		_ = os.WriteFile(h.Down(), nil, 0o600)
	}
	server := tmux.New(tmux.Config{Socket: h.Socket(), ConfPath: h.TmuxConf(), Env: []string{"PATH=" + os.Getenv("PATH")}})
	kill := func() {
		if err := server.Kill(ctx); err != nil {
			env.T().Log("end tmux: " + err.Error())
		}
	}
	kill() // before the processes: hooks of the server would start new ones
	left, err := host.End(ctx, host.Ending{Mark: [2]string{"MUSTER_HOME", string(h)}})
	if err != nil && !errors.Is(err, host.ErrUnsupported) {
		env.T().Log(fmt.Sprintf("still running: %v: %v", left, err))
	}
	kill() // processes that were started meanwhile
}

// repoCommand is `repo NAME`: it makes a git repository with one commit, which holds the files that the script put
// there.
func repoCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: repo NAME")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "README"), []byte("a repository\n"), 0o644))
	for _, words := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "-m", "first"}} {
		ts.Check(ts.Exec("git", append([]string{"-C", dir}, words...)...))
	}
}

// eventuallyCommand is `eventually 20s CMD…`: it runs a command again and again until it succeeds.
func eventuallyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually DURATION CMD…")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(limit); ; {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %s: %v", limit, strings.Join(args[1:], " "), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// exitsCommand is `exits STATUS CMD…`: the command has to exit with exactly that status.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS CMD…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
