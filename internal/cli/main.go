package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"muster/internal/agent"
	"muster/internal/agent/acp"
	"muster/internal/agent/all"
	"muster/internal/agent/sim"
	"muster/internal/boot"
	"muster/internal/cast"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/launch"
	"muster/internal/text"
)

// Main runs one call of muster and returns its exit status. Verbs that agents start at every tool call are handled
// before anything is built that they do not need.
func Main(args []string) int {
	env, err := OSEnv()
	if err != nil && (!errors.Is(err, errNoDir) || !needsNoDir(args)) {
		printError(Env{Stderr: os.Stderr}, err)
		return fault.ExitCode(err)
	}
	return Run(args, env)
}

// needsNoDir reports whether a verb works without a working directory. An agent may delete its own, and its hook must
// not fail then.
func needsNoDir(args []string) bool {
	return len(args) > 0 && (args[0] == "hook" || args[0] == "launch" || args[0] == cast.Verb)
}

// Run is Main with the given environment.
func Run(args []string, env Env) int {
	if len(args) > 0 {
		switch args[0] {
		case "hook":
			return runHook(args[1:], env)
		case "launch":
			return runLaunch(args[1:])
		case cast.Verb:
			return cast.Main(args[1:], os.Stdin, os.Stderr)
		case acp.Verb:
			return acp.Main(args[1:], os.Stdin, os.Stdout, env.Getenv)
		case "sim":
			return sim.Main(args[1:], os.Stdin, os.Stdout, env.Getenv)
		case "keep", "supervise":
			pane := boot.Pane(env.Stderr)
			defer pane.Flush()
			env.Stderr = pane
		}
	}
	env.progress = newProgress(env)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := execute(control.Through(ctx, event.FrontVerb), args, env)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = fault.New(fault.Interrupted, "interrupted")
	}
	printError(env, err)
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	return fault.ExitCode(err)
}

// printError prints the error and its hint. They contain names of files and output of programs, so they are cleaned.
func printError(env Env, err error) {
	if errors.Is(err, errQuiet) {
		return
	}
	env.warn("muster: " + text.Terminal(err.Error(), false))
	if hint := fault.HintOf(err); hint != "" {
		env.warn("  " + text.Terminal(hint, false))
	}
}

// errQuiet means that the error was already reported; only the exit status is left.
var errQuiet = errors.New("said already")

// quiet returns an error that only sets the exit status.
func quiet(code fault.Code) error { return fault.Wrap(code, errQuiet, "") }

// hookMemory is the memory in bytes beyond which garbage of a hook is collected. What a hook reads of an agent is far smaller.
const hookMemory = 128 << 20

// runHook runs `muster hook KIND EVENT`, which an adapter registered with its agent. It never makes the agent's tool
// call fail. It uses files of the agent's generation only: a fence keeps everything else from it.
func runHook(args []string, env Env) int {
	if len(args) < 2 {
		return 0
	}
	// A hook may wait for hours, one beside each agent. The runtime would collect its garbage every two minutes.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(hookMemory)
	ad, err := all.New(args[0])
	if err != nil {
		return 0
	}
	return ad.Hook(context.Background(), agent.HookCall{
		Event: args[1], Stdin: env.Stdin, Stdout: env.Stdout, Stderr: env.Stderr, Getenv: env.Getenv, PPID: os.Getppid(),
	})
}

// runLaunch runs `muster launch SPEC [COMMAND]`: this process becomes the agent or a command of it, or it runs a job.
func runLaunch(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: muster launch SPEC [COMMAND]")
		return fault.ExitCode(fault.New(fault.Usage, ""))
	}
	return launch.ExitStatus(launch.Run(context.Background(), args[0], args[1:], os.Stdout))
}
