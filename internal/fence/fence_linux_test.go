package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// world is what a process tries to reach: files of a granted and of another directory, and processes and sockets outside.
type world struct {
	Inside, Outside string
	Socket          string // a path socket that listens
	Datagram        string // a path socket of datagrams
	Abstract        string
	Victim          int
	Ports           [2]int // of loopback, both listen
}

// try is one attempt and what it is expected to end with.
type try struct {
	name   string
	do     func(w world) error
	free   string // without a fence; "ok" if it succeeds, "-" if it depends on the machine
	fenced string
}

func tries() []try {
	return []try{
		{"read", func(w world) error { return open(w.Outside+"/secret", unix.O_RDONLY) }, "ok", "EACCES"},
		{"list", func(w world) error { return open(w.Outside, unix.O_RDONLY|unix.O_DIRECTORY) }, "ok", "EACCES"},
		{"write", func(w world) error { return open(w.Outside+"/secret", unix.O_WRONLY) }, "ok", "EACCES"},
		{"truncate", func(w world) error { return unix.Truncate(w.Outside+"/empty", 0) }, "ok", "EACCES"},
		{"create", func(w world) error { return open(w.Outside+"/new", unix.O_CREAT|unix.O_WRONLY) }, "ok", "EACCES"},
		{"make a directory", func(w world) error { return unix.Mkdir(w.Outside+"/dir", 0o700) }, "ok", "EACCES"},
		{"link in", func(w world) error { return unix.Link(w.Outside+"/secret", w.Inside+"/linked") }, "ok", "EXDEV"},
		{"move out", func(w world) error { return unix.Rename(w.Inside+"/b", w.Outside+"/b") }, "ok", "EACCES"},
		{"through a symbolic link", func(w world) error {
			return errors.Join(unix.Symlink(w.Outside, w.Inside+"/way"), open(w.Inside+"/way/secret", unix.O_RDONLY))
		}, "ok", "EACCES"},
		{"run a program outside", func(w world) error { return exec.Command(w.Outside + "/program").Run() }, "ok", "EACCES"}, //nolint:noctx // ends by itself
		{"path socket", func(w world) error { return connectUnix(w.Socket) }, "ok", "EPERM"},
		{"abstract socket", func(w world) error { return connectUnix(w.Abstract) }, "ok", "EPERM"},
		{"datagram from a pair", func(w world) error { return fromPair(w.Datagram) }, "ok", "EPERM"},
		{"MPTCP", func(world) error { return socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP) }, "-", "EPROTONOSUPPORT"},
		{"SMC", func(world) error { return socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SMC) }, "-", "EPROTONOSUPPORT"},
		{"AF_VSOCK", func(world) error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0) }, "-", "EPERM"},
		{"AF_ALG", func(world) error { return socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) }, "-", "EPERM"},
		{"AF_PACKET", func(world) error { return socket(unix.AF_PACKET, unix.SOCK_RAW, 0) }, "-", "EPERM"},
		{"io_uring", func(world) error { return call(unix.SYS_IO_URING_SETUP, 0, 0, 0) }, "EFAULT", "ENOSYS"},
		{"keyctl", func(world) error { return call(unix.SYS_KEYCTL, 0, ^uintptr(2), 0) }, "ok", "ENOSYS"},
		{"signal", func(w world) error { return unix.Kill(w.Victim, 0) }, "ok", "EPERM"},
		{"ptrace", func(w world) error {
			return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(w.Victim), 0) //nolint:gosec // a process id
		}, "-", "EPERM"},
		{"environment of a process", func(w world) error { return readAll(fmt.Sprintf("/proc/%d/environ", w.Victim)) }, "ok", "EACCES"},
		{"mount", func(w world) error { return unix.Mount("none", w.Inside, "no-such-type", 0, "") }, "-", "EPERM"},
		{"TIOCSTI", func(world) error { return ioctl("/dev/null", unix.TIOCSTI) }, "ENOTTY", "EPERM"},
		{"TIOCLINUX", func(world) error { return ioctl("/dev/null", tiocLinux) }, "ENOTTY", "EPERM"},
		{"TIOCSTI with high bits", func(world) error { return ioctl("/dev/null", unix.TIOCSTI|1<<40) }, "ENOTTY", "EPERM"},

		{"read inside", func(w world) error { return open(w.Inside+"/a", unix.O_RDONLY) }, "ok", "ok"},
		{"create inside", func(w world) error { return open(w.Inside+"/new", unix.O_CREAT|unix.O_WRONLY) }, "ok", "ok"},
		{"move across directories inside", func(w world) error { return unix.Rename(w.Inside+"/a", w.Inside+"/sub/a") }, "ok", "ok"},
		{"FIFO inside", func(w world) error { return unix.Mkfifo(w.Inside+"/fifo", 0o600) }, "ok", "ok"},
		{"run a program", func(world) error { return exec.Command("/bin/sh", "-c", "true | cat").Run() }, "ok", "ok"}, //nolint:noctx // ends by itself
		{"null device", func(world) error { return os.WriteFile("/dev/null", []byte("x"), 0) }, "ok", "ok"},
		{"random", func(world) error { return readSome("/dev/urandom") }, "ok", "ok"},
		{"/proc", func(world) error { return readAll("/proc/self/status") }, "ok", "ok"},
		{"pseudo-terminal", func(world) error { return open("/dev/ptmx", unix.O_RDWR) }, "ok", "ok"},
		{"socketpair", func(world) error {
			_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			return err
		}, "ok", "ok"},
		{"TCP", func(w world) error { return connectTCP(w.Ports[0]) }, "ok", "ok"},
		{"UDP", func(world) error { return socket(unix.AF_INET6, unix.SOCK_DGRAM, 0) }, "ok", "ok"},
		{"netlink", func(world) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, 0) }, "ok", "ok"},
		{"signal a child", signalChild, "ok", "ok"},
	}
}

// tryAll returns how each attempt ends.
func (w world) tryAll() map[string]string {
	out := map[string]string{}
	for _, t := range tries() {
		out[t.name] = "ok"
		if err := t.do(w); err != nil {
			out[t.name] = err.Error()
			if errno, ok := errors.AsType[unix.Errno](err); ok {
				out[t.name] = unix.ErrnoName(errno)
			}
		}
	}
	return out
}

func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func readAll(path string) error { _, err := os.ReadFile(path); return err }

func readSome(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	_, err = f.Read(make([]byte, 8))
	return err
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func call(nr, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall6(nr, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func ioctl(path string, request uintptr) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	var b byte
	return call(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(&b))) //nolint:gosec // the kernel reads it
}

func connectUnix(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was sent
	return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}

func fromPair(path string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Sendto(pair[0], []byte("out"), 0, &unix.SockaddrUnix{Name: path})
}

func connectTCP(port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was sent
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

func signalChild(world) error {
	cmd := exec.Command("sleep", "60") //nolint:noctx // killed below
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Process.Kill()
	_ = cmd.Wait()
	return err
}

// newWorld makes the files, processes and sockets, which end with the test.
func newWorld(t *testing.T) world {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := world{Inside: filepath.Join(root, "inside"), Outside: filepath.Join(root, "outside"), Abstract: "@" + root}
	for _, dir := range []string{w.Inside, w.Inside + "/sub", w.Outside} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files.Write(t, w.Outside+"/secret", "s3cret")
	files.Write(t, w.Outside+"/empty", "")
	files.Script(t, w.Outside, "program", "exit 0")
	files.Write(t, w.Inside+"/a", "a")
	files.Write(t, w.Inside+"/b", "b")
	sockets, err := os.MkdirTemp("/tmp", "muster-fence-") // a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	w.Socket, w.Datagram = sockets+"/s", sockets+"/d"
	for _, name := range []string{w.Socket, w.Abstract} {
		l, err := net.Listen("unix", name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
	d, err := net.ListenPacket("unixgram", w.Datagram)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	for i := range w.Ports {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		w.Ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	w.Victim = proc.Start(t, exec.Command("sleep", "60")).PID //nolint:noctx // ends with the test
	return w
}

// policy grants the system, the test binary and the inside of the world.
func (w world) policy(t *testing.T) Policy {
	t.Helper()
	needLandlock(t)
	p := System()
	exe, exists := Real(os.Args[0])
	if !exists {
		t.Fatal(os.Args[0])
	}
	p.Read, p.Write = append(p.Read, exe), append(p.Write, w.Inside)
	return p
}

// needLandlock skips a test where the kernel cannot enforce a fence. Nothing else in these tests is skipped.
func needLandlock(t *testing.T) {
	t.Helper()
	if _, err := ABI(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
}

// run carries out an order in a process of its own.
func (o order) run(t *testing.T) (status int, output string) {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := Real(t.TempDir())
	file := files.Write(t, filepath.Join(dir, "order.json"), string(b))
	if o.Policy != nil {
		o.Policy.Read = append(o.Policy.Read, file)
		b, _ = json.Marshal(o)
		files.Write(t, file, string(b))
	}
	if len(o.Argv) == 0 {
		exe, _ := Real(os.Args[0])
		o.Argv, o.Env = []string{exe, file}, []string{proc.RoleVar + "=probe", "PATH=/usr/bin:/bin"}
		b, _ = json.Marshal(o)
		files.Write(t, file, string(b))
	}
	return proc.Finish(t, proc.Role("fenced", file))
}

// TestFence_RefusesWhatIsNotGranted runs the same attempts with and without a fence, so that an attempt which fails in any
// case proves nothing.
func TestFence_RefusesWhatIsNotGranted(t *testing.T) {
	t.Parallel()
	for _, fenced := range []bool{false, true} {
		w := newWorld(t)
		o := order{World: w}
		if fenced {
			p := w.policy(t)
			o.Policy = &p
		}
		status, output := o.run(t)
		got := map[string]string{}
		if err := json.Unmarshal([]byte(output), &got); err != nil || status != 0 {
			t.Fatalf("fenced %v: exit %d, said %q: %v", fenced, status, output, err)
		}
		for _, try := range tries() {
			want := try.free
			if fenced {
				want = try.fenced
			}
			if want != "-" && got[try.name] != want {
				t.Errorf("fenced %v: %s ends with %s, want %s", fenced, try.name, got[try.name], want)
			}
		}
	}
}

func TestFence_ScopesBeyondTheFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.policy(t)
	if abi, _ := ABI(); abi < abiScope {
		t.Skipf("NOT TESTED: Landlock ABI %d has no scopes", abi)
	}
	p.Unix = true
	got := outcome(t, order{Policy: &p, World: w})
	for name, want := range map[string]string{"path socket": "ok", "datagram from a pair": "ok", "abstract socket": "EPERM", "signal": "EPERM", "AF_ALG": "EPERM"} {
		if got[name] != want {
			t.Errorf("with Unix sockets: %s ends with %s, want %s", name, got[name], want)
		}
	}
}

func outcome(t *testing.T, o order) map[string]string {
	t.Helper()
	status, output := o.run(t)
	got := map[string]string{}
	if err := json.Unmarshal([]byte(output), &got); err != nil || status != 0 {
		t.Fatalf("exit %d, said %q: %v", status, output, err)
	}
	return got
}

func TestFence_ConnectsToListedPortsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.policy(t)
	p.Ports = []int{w.Ports[1]}
	if got := outcome(t, order{Policy: &p, World: w})["TCP"]; got != "EACCES" {
		t.Errorf("TCP to another port ends with %s", got)
	}
	p.Ports = []int{w.Ports[0]}
	if got := outcome(t, order{Policy: &p, World: w})["TCP"]; got != "ok" {
		t.Errorf("TCP to the listed port ends with %s", got)
	}
}

func TestExec_FailureLeavesTheProcessFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.policy(t)
	status, output := order{Policy: &p, World: w, Argv: []string{w.Inside + "/missing"}}.run(t)
	if status != 1 || !strings.Contains(output, "no such file") || !strings.Contains(output, "the process is free") {
		t.Errorf("exit %d, said %q", status, output)
	}
}

func TestPrepare_RefusesWhatItCannotEnforce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.policy(t)
	link := filepath.Join(w.Inside, "link")
	if err := os.Symlink(w.Outside, link); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Policy){
		"symbolic link":      func(p *Policy) { p.Write = []string{link} },
		"absolute and clean": func(p *Policy) { p.Read = []string{w.Inside + "/../outside"} },
		"is not absolute":    func(p *Policy) { p.Read = []string{"inside"} },
		"65535":              func(p *Policy) { p.Ports = []int{0} },
	} {
		q := p
		change(&q)
		if _, err := Prepare(q); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	faulttest.Want(t, enough(2), fault.Conflict, "ABI 3", "Linux 6.2", "has ABI 2")
}

func TestPrepare_CountsWhatExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	needLandlock(t)
	fifo := filepath.Join(w.Inside, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Prepare(Policy{Read: []string{fifo, w.Inside + "/missing", w.Inside + "/a/b", w.Outside}, Write: []string{w.Inside}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // nothing runs in it
	if a := f.Applied(); a.Read != 2 || a.Write != 1 || !a.Seccomp || a.ABI < abiTruncate {
		t.Errorf("applied %+v", a)
	}
}

// interpret runs a filter, as the kernel does.
func interpret(prog []unix.SockFilter, arch, nr uint32, args ...uint32) uint32 {
	var a uint32
	for pc := 0; ; pc++ {
		in := prog[pc]
		to := func(holds bool) int {
			if holds {
				return pc + int(in.Jt)
			}
			return pc + int(in.Jf)
		}
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch in.K {
			case dataNumber:
				a = nr
			case dataArch:
				a = arch
			default:
				if a = 0; int(in.K-dataArgs)/8 < len(args) {
					a = args[(in.K-dataArgs)/8]
				}
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= in.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			pc = to(a == in.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			pc = to(a >= in.K)
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		default:
			panic(in)
		}
	}
}

func TestFilter_RefusesOtherABIsAndLetsTheRestThrough(t *testing.T) {
	t.Parallel()
	prog, err := filter(Policy{Ports: []int{443}})
	if err != nil {
		t.Fatal(err)
	}
	const refused = unix.SECCOMP_RET_ERRNO
	for _, c := range []struct {
		what     string
		arch, nr uint32
		args     []uint32
		want     uint32
	}{
		{"i386", unix.AUDIT_ARCH_I386, 1, nil, refused | uint32(unix.ENOSYS)},
		{"fast open", auditArch, unix.SYS_SENDTO, []uint32{3, 0, 0, unix.MSG_FASTOPEN | unix.MSG_NOSIGNAL}, refused | uint32(unix.EOPNOTSUPP)},
		{"sendto", auditArch, unix.SYS_SENDTO, []uint32{3, 0, 0, unix.MSG_NOSIGNAL}, unix.SECCOMP_RET_ALLOW},
		{"raw pair", auditArch, unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_RAW | unix.SOCK_CLOEXEC}, refused | uint32(unix.EPERM)},
		{"pair", auditArch, unix.SYS_SOCKETPAIR, []uint32{unix.AF_UNIX, unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC}, unix.SECCOMP_RET_ALLOW},
		{"read", auditArch, unix.SYS_READ, nil, unix.SECCOMP_RET_ALLOW},
	} {
		if got := interpret(prog, c.arch, c.nr, c.args...); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
	if firstForeign != 0 {
		if got := interpret(prog, auditArch, firstForeign|unix.SYS_READ); got != refused|uint32(unix.ENOSYS) {
			t.Errorf("x32: %#x", got)
		}
	}
}
