package cast

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/host"
)

// Verb is the hidden verb by which tmux starts a recorder.
const Verb = "record"

// gcPercent has the garbage of a recorder collected early: there is one of them for each running agent.
const gcPercent = 20

// collect sets whether garbage is collected. The runtime collects it every two minutes otherwise, also if there is none, and that would be all
// that the recorder of an idle agent does.
func collect(is bool) {
	percent := -1
	if is {
		percent = gcPercent
	}
	debug.SetGCPercent(percent)
}

// Command returns the command of a recorder for a generation. tmux adds the pid of the pane's program, its terminal and its size.
func Command(exe string, h home.Dir, task event.TaskID, gen int, limit int64) []string {
	return []string{exe, Verb, string(h), string(task), strconv.Itoa(gen), strconv.FormatInt(limit, 10)}
}

// Main runs a recorder, whose arguments are those of Command without the first two. It returns its exit status.
func Main(args []string, in *os.File, stderr *os.File) int {
	if len(args) != 7 {
		_, _ = stderr.WriteString("usage: muster record HOME TASK GEN LIMIT PID TTY SIZE\n")
		return fault.ExitCode(fault.New(fault.Usage, ""))
	}
	h, task := home.Dir(args[0]), event.TaskID(args[1])
	gen, err1 := strconv.Atoi(args[2])
	limit, err2 := strconv.ParseInt(args[3], 10, 64)
	pid, err3 := strconv.Atoi(args[4])
	if err := errors.Join(err1, err2, err3); err != nil || !event.IsTaskID(args[1]) {
		_, _ = stderr.WriteString("muster record: not a generation of a task\n")
		return fault.ExitCode(fault.New(fault.Usage, ""))
	}
	collect(false)
	size, _ := ParseSize(args[6])
	makeRoom(h, task, gen, limit/2)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	err := Record(in, Options{
		Path: Path(h, task, gen), Limit: limit / 2, Size: size, Look: func() (Size, bool) { return look(args[5]) },
		Ended: ended(ctx, pid), Stop: ctx.Done(), Busy: collect,
	})
	if err != nil {
		_, _ = stderr.WriteString("muster record: " + err.Error() + "\n")
		return fault.ExitCode(err)
	}
	return 0
}

// ended returns a channel that is closed when a process has ended. If it cannot be watched, the channel stays open, and the end of
// the pane ends the recording.
func ended(ctx context.Context, pid int) <-chan struct{} {
	c := make(chan struct{})
	p, err := host.Identify(pid)
	if err != nil {
		if errors.Is(err, host.ErrGone) {
			close(c)
		}
		return c
	}
	d, err := host.NewDeaths()
	if err != nil {
		return c
	}
	if err := d.Watch(p, nil); err != nil {
		return c
	}
	go func() { _ = d.Serve(ctx) }()
	go func() {
		select {
		case <-d.C():
			close(c)
		case <-ctx.Done():
		}
	}()
	return c
}

// look returns the size of a terminal. It does not keep it open: an open terminal would hide the end of its program.
func look(tty string) (Size, bool) {
	fd, err := unix.Open(tty, unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Size{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return Size{}, false
	}
	return Size{Columns: int(w.Col), Rows: int(w.Row)}, true
}

// makeRoom removes the recordings of older generations, the oldest first, until the others have at most limit bytes.
func makeRoom(h home.Dir, task event.TaskID, gen int, limit int64) {
	var total int64
	for g := gen - 1; g > 0; g-- {
		all := parts(Path(h, task, g))
		for _, p := range all {
			total += p.bytes
		}
		if total <= limit {
			continue
		}
		for _, p := range all {
			_ = os.Remove(p.path) // what cannot be removed now is tried again at the next start
		}
	}
}
