package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watchFiles makes a point of each fsync and each rename of this process: the kernel asks this process before it
// executes them. Programs that it starts are not affected. Production code does not know of it, so no call site can be
// forgotten.
func watchFiles(point func(string)) {
	calls := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2}
	listener, err := askFor(calls)
	if err != nil {
		panic(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			var n notification
			if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
				continue // the call was interrupted, and will come again
			}
			point(n.name(memory))
			goOn := answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
			_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&goOn))
		}
	}()
}

// notification and answer are struct seccomp_notif and struct seccomp_notif_resp.
type notification struct {
	id      uint64
	pid     uint32
	flags   uint32
	call    int32
	arch    uint32
	pointer uint64
	args    [6]uint64
}

type answer struct {
	id    uint64
	value int64
	err   int32
	flags uint32
}

// name returns the name of the file that the call is about. The name is the same in every fleet that plays the same
// scenario.
func (n notification) name(memory *os.File) string {
	what, path := "fsync", ""
	switch n.call {
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		what, path = "rename", readWord(memory, int64(n.args[3])) //nolint:gosec // an address of this process
	default:
		path, _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.args[0]))
	}
	if rel, err := filepath.Rel(filepath.Dir(os.Getenv("MUSTER_HOME")), path); err == nil && filepath.IsLocal(rel) {
		path = rel
	}
	dir, base := filepath.Split(hash.ReplaceAllString(path, "#"))
	if strings.HasPrefix(base, ".") { // a temporary file that will be renamed
		base = strings.TrimRight(base, "0123456789")
	}
	return what + "/" + dir + base
}

// hash matches the hash in a path and the id of a request.
var hash = regexp.MustCompile(`[0-9a-f]{12,}|\bq[a-z2-7]{16}\b`)

// readWord reads a string from this process' memory. The thread that waits for the answer keeps the memory unchanged.
func readWord(memory *os.File, at int64) string {
	var b [unix.PathMax]byte
	n, _ := memory.ReadAt(b[:256], at)
	word, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(word)
}

// askFor makes the kernel ask before it executes some system calls of this program itself, whose text is at low
// addresses. The programs that it starts are loaded elsewhere.
func askFor(calls []uint32) (listener uintptr, err error) {
	const (
		load, equal, above, give = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		callAt, pointerHigh      = 0, 12
	)
	filter := []unix.SockFilter{{Code: load, K: pointerHigh}, {Code: above, K: 0, Jt: uint8(len(calls) + 1)}, {Code: load, K: callAt}}
	for i, c := range calls {
		filter = append(filter, unix.SockFilter{Code: equal, K: c, Jt: uint8(len(calls) - i)})
	}
	filter = append(filter,
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW}, unix.SockFilter{Code: give, K: unix.SECCOMP_RET_USER_NOTIF})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	unix.CloseOnExec(int(fd)) //nolint:gosec // a descriptor
	return fd, nil
}

func ioctl(fd uintptr, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
