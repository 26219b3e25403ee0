package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"muster/internal/fence"
	"muster/internal/lock"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// steps are the system calls before which a launch is killed: those that change or check anything outside of its memory.
var steps = map[uint64]string{
	unix.SYS_OPENAT: "openat", unix.SYS_OPENAT2: "openat2", unix.SYS_MKDIRAT: "mkdirat", unix.SYS_UNLINKAT: "unlinkat",
	unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FSYNC: "fsync",
	unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite", unix.SYS_FLOCK: "flock", unix.SYS_FCNTL: "fcntl", unix.SYS_DUP3: "dup3",
	unix.SYS_CHDIR: "chdir", unix.SYS_UMASK: "umask", unix.SYS_PRLIMIT64: "prlimit", unix.SYS_PRCTL: "prctl", unix.SYS_CAPSET: "capset",
	unix.SYS_LANDLOCK_CREATE_RULESET: "landlock_create_ruleset", unix.SYS_LANDLOCK_ADD_RULE: "landlock_add_rule",
	unix.SYS_LANDLOCK_RESTRICT_SELF: "landlock_restrict_self", unix.SYS_SECCOMP: "seccomp", unix.SYS_CLONE: "clone", unix.SYS_EXECVE: "execve",
}

// fate is how a traced launch ended.
type fate struct {
	killed string   // the step before which it was killed; "" if it was not
	execs  []string // of each program that it became: the lines of /proc/PID/status about privileges and filters
}

// A cut chooses the step before which a launch is killed, by its number and its name.
type cut func(n int, name string) bool

// trace runs a command and kills it before the first step that a cut chooses. What it becomes is not counted any more.
func trace(cmd *exec.Cmd, chosen cut) (f fate, err error) {
	// The kernel knows tracers by their thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return f, err
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release(); _ = unix.Kill(-pid, unix.SIGKILL) }()
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
		return f, err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return f, err
	}
	tid := pid
	for passed, signal := 0, 0; ; {
		switch { // a thread that was killed meanwhile cannot go on
		case len(f.execs) > 0:
			_ = unix.PtraceCont(tid, signal)
		default:
			_ = unix.PtraceSyscall(tid, signal)
		}
		// Only tracees and children of this thread: other tests have processes too.
		if tid, err = unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil); err != nil {
			return f, err
		}
		signal = 0
		switch {
		case !ws.Stopped():
			if tid == pid {
				return f, nil
			}
		case ws.StopSignal() == unix.SIGTRAP|0x80:
			name, step := entered(tid)
			if !step {
				break
			}
			if passed++; chosen(passed, name) {
				f.killed = fmt.Sprintf("%d %s", passed, name)
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					return f, err
				}
			}
		case ws.StopSignal() == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
			f.execs = append(f.execs, privileges(pid))
		case ws.StopSignal() == unix.SIGTRAP, ws.StopSignal() == unix.SIGSTOP: // a new thread
		default:
			signal = int(ws.StopSignal())
		}
	}
}

// entered returns the name of the step that a stopped thread is about to make.
func entered(tid int) (name string, ok bool) {
	var info [88]byte // struct ptrace_syscall_info
	const getSyscallInfo, atEntry = 0x420e, 1
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != atEntry {
		return "", false
	}
	call, first := binary.NativeEndian.Uint64(info[24:]), binary.NativeEndian.Uint64(info[32:])
	if call == unix.SYS_PRCTL && first != unix.PR_SET_NO_NEW_PRIVS {
		return "", false // one of dozens that read or drop a capability
	}
	name, ok = steps[call]
	return name, ok
}

// privileges returns what the kernel says about the privileges and the filters of a process.
func privileges(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var out []string
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ":"); name == "NoNewPrivs" || name == "Seccomp" {
			out = append(out, name+"="+strings.TrimSpace(value))
		}
	}
	return strings.Join(out, " ")
}

// TestExec_AKillBetweenTwoStepsNeverLeavesAnUnfencedAgent kills launches of agents and of fenced commands before each of their
// system calls. The kernel says under which filters each program starts, and the program tries to write outside.
func TestExec_AKillBetweenTwoStepsNeverLeavesAnUnfencedAgent(t *testing.T) {
	t.Parallel()
	const script = `echo out > "$OUTSIDE/file"; echo in > "$OUT"`
	for kind, write := range map[string]func(*agent) error{
		"agent": func(a *agent) error {
			a.Remove, a.NoFile, a.Umask = true, 4096, 0o027
			return Write(a.path, a.Spec)
		},
		"command": func(a *agent) error {
			return fence.Command{Argv: a.Argv, Dir: a.Dir, Env: a.Env, Policy: *a.Fence}.Write(a.path)
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			try := func(chosen cut) fate {
				t.Helper()
				a, outside := fenced(t, script)
				if err := write(a); err != nil {
					t.Fatal(err)
				}
				said := filepath.Join(a.Dir, "said")
				f, err := launchTraced(a.path, said, chosen)
				if errors.Is(err, unix.EPERM) {
					t.Skipf("NOT TESTED: this system lets no process trace another: %v", err)
				}
				if err != nil {
					t.Fatalf("trace a launch: %v", err)
				}
				ran := a.out(t) != ""
				switch fencedExec := "NoNewPrivs=1 Seccomp=2"; {
				case files.Exists(filepath.Join(outside, "file")):
					t.Fatalf("killed before %q: a program ran without its fence", f.killed)
				case f.killed != "" && (len(f.execs) > 0 || ran):
					t.Fatalf("killed before %q, and a program ran: %q", f.killed, f.execs)
				case f.killed == "" && (len(f.execs) != 1 || f.execs[0] != fencedExec || !ran):
					t.Fatalf("not killed: programs %q, want %q; ran: %v; said %q", f.execs, fencedExec, ran, files.Read(t, said))
				}
				if held, err := lock.Held(a.Lock); held || err != nil {
					t.Fatalf("killed before %q: its lock is held: %v, %v", f.killed, held, err)
				}
				if records := strings.Count(a.status(t), "launched"); records > 1 {
					t.Fatalf("killed before %q: %d launched records", f.killed, records)
				}
				return f
			}
			var names []string
			for n := 1; ; n++ {
				f := try(func(passed int, _ string) bool { return passed == n })
				if f.killed == "" {
					break
				}
				names = append(names, f.killed)
			}
			t.Logf("%d steps: %s", len(names), strings.Join(names, ", "))
			// The threads of the runtime make steps, too, and not the same number each time, so a number may miss a step.
			for _, step := range []string{"landlock_restrict_self", "seccomp", "execve"} {
				if f := try(func(_ int, name string) bool { return name == step }); f.killed == "" {
					t.Errorf("there was no step %s", step)
				}
			}
		})
	}
}

// launchTraced runs a launch with its output in a file.
func launchTraced(spec, said string, chosen cut) (fate, error) {
	out, err := os.Create(said)
	if err != nil {
		return fate{}, err
	}
	defer out.Close() //nolint:errcheck // a file of a test
	cmd := proc.Role("launch", spec)
	cmd.Stdout, cmd.Stderr = out, out
	return trace(cmd, chosen)
}

// TestTrace_SeesAnUnfencedProgram checks that the proof above can fail.
func TestTrace_SeesAnUnfencedProgram(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `echo in > "$OUT"`)
	f, err := launchTraced(a.write(t), filepath.Join(a.Dir, "said"), func(int, string) bool { return false })
	if errors.Is(err, unix.EPERM) {
		t.Skipf("NOT TESTED: this system lets no process trace another: %v", err)
	}
	if err != nil || len(f.execs) != 1 || f.execs[0] != "NoNewPrivs=0 Seccomp=0" || a.out(t) != "in\n" {
		t.Errorf("%+v, %v, wrote %q", f, err, a.out(t))
	}
}
