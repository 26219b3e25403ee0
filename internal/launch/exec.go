package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/scarce"
	"muster/internal/spec"
	"muster/internal/status"
	"muster/internal/text"
)

// maxArg is the largest size of one argument or variable on Linux, in bytes with the final NUL (MAX_ARG_STRLEN).
const maxArg = 128 << 10

// The exit statuses that a shell uses for the same failures.
const (
	exitNotFound    = 127
	exitCannotStart = 126
)

// patience is how long a launch waits for a lacking resource. It is shorter than the limit for the first record of any
// kind, so that the reason for a missing record is known.
const patience = 5 * time.Second

// heldPatience is how long a launch waits for the lock of its task.
const heldPatience = 2 * time.Second

// startError is the error of a program that the system did not start, with the exit status that a shell uses for it.
type startError struct {
	error
	status int
}

func (e startError) Unwrap() error { return e.error }

// Run executes a spec file (hidden verb `muster launch FILE [COMMAND]`): it becomes the agent, the fenced command or the shell
// that runs COMMAND, or it runs the job. An error was
// already printed to stderr; ExitStatus returns the exit status for it.
func Run(ctx context.Context, specPath string, command []string, stdout io.Writer) error {
	var kind spec.Kind
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := scarce.Retry(soon, func() (err error) {
		kind, err = spec.KindOf(specPath)
		return err
	})
	if err != nil {
		complain(err)
		return err
	}
	if kind == spec.Job {
		err := check.Run(ctx, specPath, stdout)
		if err != nil {
			complain(err)
		}
		return err
	}
	if kind == spec.Shell {
		err := startError{fence.BecomeShell(specPath, command), exitCannotStart}
		complain(err)
		return err
	}
	if len(command) > 0 {
		err := fault.New(fault.Usage, "%s is the spec of a %s and takes no command", specPath, kind)
		complain(err)
		return err
	}
	if kind == spec.Fence {
		err := startError{fence.Become(specPath), exitCannotStart}
		complain(err)
		return err
	}
	return Exec(specPath)
}

// Exec makes this process the agent of a spec file (see Run). It returns only if that failed. The reason is then
// printed to stderr and, unless another launch holds the lock, appended to the status file as an exited record. If a
// resource is lacking, Exec retries for some seconds and then returns without a record, as if it had never started.
func Exec(specPath string) error {
	l := launching{path: specPath}
	defer func() { _ = l.lock.Close() }() // keeps the file from being collected until then
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := scarce.Retry(ctx, l.try)
	if l.spec != nil && !errors.Is(err, lock.ErrHeld) && !scarce.Is(err) {
		err = errors.Join(err, l.spec.record(event.Record{State: event.RecordExited, Note: err.Error()}))
	}
	complain(err)
	return err
}

// ExitStatus returns the exit status for an error of this package: one of those of scarce, that of a shell for a program
// which cannot be started, or that of the error's code.
func ExitStatus(err error) int {
	switch {
	case errors.Is(err, lock.ErrHeld):
		return scarce.HeldExitStatus
	case scarce.Is(err):
		return scarce.ExitStatus
	}
	if e, ok := errors.AsType[startError](err); ok {
		return e.status
	}
	return fault.ExitCode(err)
}

// complain prints why the agent did not start.
func complain(err error) {
	fmt.Fprintf(os.Stderr, "muster launch: %s\n", text.Terminal(err.Error(), false))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintln(os.Stderr, text.Terminal(hint, false))
	}
}

// launching is the state that the attempts of one launch share.
type launching struct {
	path string
	spec *Spec    // nil: not read yet
	lock *os.File // nil: not taken yet
}

// try takes the lock and becomes the agent.
func (l *launching) try() error {
	if l.spec == nil {
		s, err := Read(l.path)
		if err != nil {
			return err
		}
		l.spec = &s
	}
	if l.lock == nil && l.spec.Lock != "" {
		held, err := l.spec.hold()
		if errors.Is(err, lock.ErrHeld) {
			// Append no record: the status file may be that of the running agent.
			return fault.Wrap(fault.Conflict, err, "%s is alive already, not started again", l.spec.Task)
		}
		if err != nil {
			return err
		}
		l.lock = held
	}
	return l.spec.become(l.path)
}

// hold takes the lock for the life of this process, including its life as the agent. It waits a moment for a lock that
// is held, because processes that an agent left behind may be ending.
func (s Spec) hold() (*os.File, error) {
	again := time.NewTicker(heldPatience / 20)
	defer again.Stop()
	held, err := lock.Take(s.Lock)
	for until := time.Now().Add(heldPatience); errors.Is(err, lock.ErrHeld) && time.Now().Before(until); {
		<-again.C
		held, err = lock.Take(s.Lock)
	}
	if err != nil {
		return nil, err
	}
	if err := lock.Inherit(held); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}

// become sets up the process and replaces it by the agent.
func (s Spec) become(specPath string) error {
	if err := s.fits(); err != nil {
		return err
	}
	if err := os.Chdir(s.Dir); err != nil {
		return fault.Wrap(fault.NotFound, err, "working directory of %s cannot be entered", s.Task)
	}
	path, err := run.LookPath(s.Argv[0], s.Env)
	if err != nil {
		return s.notFound(err)
	}
	if err := s.limit(); err != nil {
		return err
	}
	replaceBy := run.Replace
	if s.Fence != nil {
		f, err := fence.Prepare(*s.Fence)
		if err != nil {
			return s.notFenced(err)
		}
		defer f.Close() //nolint:errcheck // nothing was entered
		replaceBy = f.Exec
	}
	s.group()
	if err := s.record(event.Record{State: event.RecordLaunched, PID: os.Getpid()}); err != nil {
		return err
	}
	if s.Remove {
		if err := os.Remove(specPath); err != nil && !errors.Is(err, fs.ErrNotExist) { // an earlier attempt may have done so
			return fmt.Errorf("remove launch spec: %w", err)
		}
	}
	return s.cannotStart(replaceBy(path, s.Argv, s.environ()))
}

// notFenced returns the error of a program that was not started, because its fence cannot be had.
func (s Spec) notFenced(err error) error {
	if scarce.Is(err) {
		return err // and it may work in a moment
	}
	return fault.Wrap(fault.Conflict, startError{err, exitCannotStart}, "%s was not started, because its fence cannot be had", s.Argv[0])
}

// group enters a control group and stores its path for the supervisor, which ends the processes in it. This is best
// effort: without a group, environment variables and lock holders still identify nearly all processes that the agent
// starts.
func (s Spec) group() {
	if s.Cgroup == "" {
		return
	}
	dir := host.CgroupFor(s.Cgroup)
	if dir == "" {
		return
	}
	// The path is written first, because a group without a note would never be found. It is not synced, because no
	// group survives a reboot.
	if err := os.WriteFile(s.CgroupNote, []byte(dir), 0o600); err != nil {
		return
	}
	_ = host.JoinCgroup(dir)
}

// environ returns the environment of the agent. Only its pane knows the kind of the terminal. TMUX is left out, because a
// tmux that the agent calls would otherwise use the fleet's own server.
func (s Spec) environ() []string {
	if !s.Terminal {
		return s.Env
	}
	env := slices.Clone(s.Env)
	for _, name := range []string{"TERM", "COLORTERM"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// fits rejects arguments and variables of maxArg bytes and more, for which execve would only report E2BIG.
func (s Spec) fits() error {
	if runtime.GOOS != "linux" {
		return nil // only the sum is limited, and exec reports that
	}
	for i, a := range s.Argv {
		if len(a) >= maxArg {
			return fault.New(fault.Usage, "argument %d of %s has %d bytes, the system takes %d", i, s.Argv[0], len(a), maxArg-1).
				WithHint("Hand a long prompt over in a file: use {prompt_file} instead of {prompt}.")
		}
	}
	for _, kv := range s.Env {
		if len(kv) >= maxArg {
			name := kv[:min(len(kv), 40)]
			for i := range name {
				if name[i] == '=' {
					name = name[:i] // never print a value: it may be a secret
					break
				}
			}
			return fault.New(fault.Usage, "environment variable %s has %d bytes, the system takes %d", name, len(kv), maxArg-1)
		}
	}
	return nil
}

// limit applies the resource limits of the spec.
func (s Spec) limit() error {
	if s.Umask != 0 {
		unix.Umask(s.Umask)
	}
	if s.NoFile == 0 {
		return nil
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("read limit of open files: %w", err)
	}
	lim.Cur = min(s.NoFile, lim.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("set limit of open files to %d: %w", lim.Cur, err)
	}
	return nil
}

// cannotStart returns the error of a program that was found and did not start.
func (s Spec) cannotStart(err error) error {
	cause := startError{err, exitCannotStart}
	if refused, ok := errors.AsType[*fence.EnterError](err); ok {
		return s.notFenced(refused)
	}
	switch {
	case errors.Is(err, unix.E2BIG):
		return fault.Wrap(fault.Usage, cause, "arguments and environment of %s are too large together", s.Argv[0]).
			WithHint("Hand a long prompt over in a file: use {prompt_file} instead of {prompt}.")
	case errors.Is(err, unix.ENOEXEC):
		return fault.Wrap(fault.Usage, cause, "%s is no program: a script needs a first line such as #!/bin/sh", s.Argv[0])
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, cause, "%s names an interpreter that is missing", s.Argv[0])
	case errors.Is(err, fs.ErrPermission) && s.Fence != nil:
		return fault.Wrap(fault.Conflict, cause, "%s cannot be started inside the fence", s.Argv[0]).
			WithHint("Add the directory of the program, or of its interpreter, to read under [fence].")
	}
	return fault.Wrap(fault.Conflict, cause, "%s cannot be started", s.Argv[0])
}

// notFound returns the error of a program that was not found or may not be run.
func (s Spec) notFound(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(fault.Conflict, startError{err, exitCannotStart}, "program %s may not be run", s.Argv[0]).
			WithHint("Make it executable: chmod +x %s", s.Argv[0])
	}
	return fault.Wrap(fault.NotFound, startError{err, exitNotFound}, "program %s is missing", s.Argv[0]).
		WithHint("Install it, or name it with its path; it was looked for on the PATH that `muster up` saw.")
}

func (s Spec) record(r event.Record) error {
	r.V, r.Gen, r.Src = event.RecordVersion, s.Gen, "launcher"
	return status.Append(s.StatusFile, r)
}
