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
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/scarce"
	"muster/internal/spec"
	"muster/internal/status"
	"muster/internal/text"
)

// maxArg is the most that Linux takes of one argument or variable, in bytes with its end (MAX_ARG_STRLEN).
const maxArg = 128 << 10

// The exit statuses that a shell has for the same, so that a person who looks at the pane knows them.
const (
	exitNotFound    = 127
	exitCannotStart = 126
)

// How long a launch waits for what the machine lacks: less than any kind's limit for its first record, so that it is
// known why there is none.
const patience = 5 * time.Second

// startError is a program that the system would not start, with the exit status that a shell gives for it.
type startError struct {
	error
	status int
}

func (e startError) Unwrap() error { return e.error }

// Run does what a spec file says (hidden verb `muster launch FILE`): it becomes the agent, or runs the job. What
// went wrong is printed to stderr already; ExitStatus gives the exit status for it.
func Run(ctx context.Context, specPath string, stdout io.Writer) error {
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
	return Exec(specPath)
}

// Exec makes this process the agent of a spec file (see Run). It returns only if that
// failed; the reason is then printed to stderr and, unless another launch holds the lock, appended to the status file
// as an exited record. The exit status that goes with the error is ExitStatus. For what the machine lacks it waits a
// moment; where that does not help it ends without a record, as if it had never begun.
func Exec(specPath string) error {
	l := launching{path: specPath}
	defer func() { _ = l.lock.Close() }() // and until then it is not collected
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := scarce.Retry(ctx, l.try)
	if l.spec != nil && !errors.Is(err, lock.ErrHeld) && !scarce.Is(err) {
		err = errors.Join(err, l.spec.record(event.Record{State: event.RecordExited, Note: err.Error()}))
	}
	complain(err)
	return err
}

// ExitStatus is the exit status for an error of this package: scarce.ExitStatus, what a shell says of a program that it
// cannot start, or what the error's code says.
func ExitStatus(err error) int {
	if errors.Is(err, lock.ErrHeld) || scarce.Is(err) {
		return scarce.ExitStatus
	}
	if e, ok := errors.AsType[startError](err); ok {
		return e.status
	}
	return fault.ExitCode(err)
}

// complain prints why a pane stays empty.
func complain(err error) {
	fmt.Fprintf(os.Stderr, "muster launch: %s\n", text.Terminal(err.Error(), false))
	if hint := fault.HintOf(err); hint != "" {
		fmt.Fprintln(os.Stderr, text.Terminal(hint, false))
	}
}

// launching is what tries of one launch have in common.
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
			// No record: the status file may be that of the one who runs.
			return fault.Wrap(fault.Conflict, err, "%s is alive already, not started again", l.spec.Task)
		}
		if err != nil {
			return err
		}
		l.lock = held
	}
	return l.spec.become(l.path)
}

// hold takes the lock for as long as this process lives, and whatever it becomes.
func (s Spec) hold() (*os.File, error) {
	held, err := lock.Take(s.Lock)
	if err != nil {
		return nil, err
	}
	if err := lock.Inherit(held); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}

// become sets the process up and replaces it.
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
	s.group()
	if err := s.record(event.Record{State: event.RecordLaunched, PID: os.Getpid()}); err != nil {
		return err
	}
	if s.Remove {
		if err := os.Remove(specPath); err != nil && !errors.Is(err, fs.ErrNotExist) { // gone by the try before
			return fmt.Errorf("remove launch spec: %w", err)
		}
	}
	return s.cannotStart(run.Replace(path, s.Argv, s.environ()))
}

// group enters a control group, and leaves its path for whoever ends what is in it. Where that cannot be done the agent
// runs without: marks and locks find nearly all of what it starts.
func (s Spec) group() {
	if s.Cgroup == "" {
		return
	}
	dir := host.CgroupFor(s.Cgroup)
	if dir == "" {
		return
	}
	// The path first: a group without a note would never be looked into. It need not outlast the machine, nor does a group.
	if err := os.WriteFile(s.CgroupNote, []byte(dir), 0o600); err != nil {
		return
	}
	_ = host.JoinCgroup(dir)
}

// environ is the environment of the agent. What kind of terminal it has only its pane knows; that it is one of
// tmux stays out, since a tmux that the agent calls would then work on the fleet's own server.
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

// fits refuses what the kernel would refuse with a word that says nothing.
func (s Spec) fits() error {
	if runtime.GOOS != "linux" {
		return nil // no limit but that of the sum, which exec tells
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

// cannotStart says in plain words why a program that was found does not start.
func (s Spec) cannotStart(err error) error {
	cause := startError{err, exitCannotStart}
	switch {
	case errors.Is(err, unix.E2BIG):
		return fault.Wrap(fault.Usage, cause, "arguments and environment of %s are too large together", s.Argv[0]).
			WithHint("Hand a long prompt over in a file: use {prompt_file} instead of {prompt}.")
	case errors.Is(err, unix.ENOEXEC):
		return fault.Wrap(fault.Usage, cause, "%s is no program: a script needs a first line such as #!/bin/sh", s.Argv[0])
	case errors.Is(err, fs.ErrNotExist):
		return fault.Wrap(fault.NotFound, cause, "%s names an interpreter that is missing", s.Argv[0])
	}
	return fault.Wrap(fault.Conflict, cause, "%s cannot be started", s.Argv[0])
}

// notFound says which program is missing.
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
