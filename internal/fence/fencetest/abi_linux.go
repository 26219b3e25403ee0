package fencetest

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif, and response struct seccomp_notif_resp.
type notification struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// WithABI calls start, which starts a program. To that, and to all that it starts, the kernel says that it has this version of Landlock.
// All other calls are the kernel's own. The thread of the caller hears the same from then on, so it must end with the program.
func WithABI(abi int, start func() error) error {
	runtime.LockOSThread()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: unix.SYS_LANDLOCK_CREATE_RULESET},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16 + 2*8}, // the low half of its third argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.LANDLOCK_CREATE_RULESET_VERSION},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("change the version of Landlock: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // six
	listener, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
		uintptr(unsafe.Pointer(&prog))) //nolint:gosec // the kernel reads it
	if errno != 0 {
		return fmt.Errorf("change the version of Landlock: %w", errno)
	}
	go answer(listener, abi)
	return start()
}

// answer answers each question for the version. It runs on a thread that the filter does not apply to.
func answer(listener uintptr, abi int) {
	for {
		var asked notification
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, listener, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&asked))) //nolint:gosec // the kernel writes it
		switch errno {
		case 0:
		case unix.EINTR, unix.ENOENT: // a signal, or the process that asked is gone
			continue
		default:
			return
		}
		said := response{id: asked.id, val: int64(abi)}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, listener, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&said))) //nolint:gosec // the kernel reads it
	}
}
