package fence

import (
	"runtime"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
)

// The offsets in struct seccomp_data. Both architectures are little-endian, so the low half of an argument comes first.
// All arguments that the filter looks at are int or unsigned int: the kernel ignores their high halves.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// The bits of a socket's type that are no flags.
const socketType = 0xf

// tiocLinux is TIOCLINUX, which types into a console as TIOCSTI types into a terminal.
const tiocLinux = 0x541c

// denial refuses a system call with an error number if all of its tests hold.
type denial struct {
	call  uint32
	errno unix.Errno
	tests []test
}

// test compares an argument, after a mask, with a value.
type test struct {
	arg    int
	mask   uint32 // 0 takes all bits
	value  uint32
	differ bool // the test holds if the argument differs
}

func is(arg int, value uint32) test { return test{arg: arg, value: value} }

// notFamily holds if the first argument, the family of a socket, is another one.
func notFamily(family uint32) test { return test{arg: 0, value: family, differ: true} }

// denials returns what the filter refuses under a policy. Landlock has no rule for any of it.
func denials(p Policy) []denial {
	out := []denial{
		// Requests to io_uring pass no filter: IORING_OP_SOCKET would make any socket.
		{unix.SYS_IO_URING_SETUP, unix.ENOSYS, nil},
		// Typed text: a person may be attached to the terminal.
		{unix.SYS_IOCTL, unix.EPERM, []test{is(1, unix.TIOCSTI)}},
		{unix.SYS_IOCTL, unix.EPERM, []test{is(1, tiocLinux)}},
		// The user's keyring holds tickets and keys of other programs.
		{unix.SYS_ADD_KEY, unix.ENOSYS, nil},
		{unix.SYS_REQUEST_KEY, unix.ENOSYS, nil},
		{unix.SYS_KEYCTL, unix.ENOSYS, nil},
	}
	families := []test{notFamily(unix.AF_INET), notFamily(unix.AF_INET6), notFamily(unix.AF_NETLINK)}
	if p.Unix {
		families = append(families, notFamily(unix.AF_UNIX))
	} else {
		// A datagram socket of a pair can be connected to another one, by its path.
		out = append(out, denial{unix.SYS_SOCKETPAIR, unix.EPERM, []test{
			{arg: 1, mask: socketType, value: unix.SOCK_STREAM, differ: true},
			{arg: 1, mask: socketType, value: unix.SOCK_SEQPACKET, differ: true},
		}})
	}
	out = append(out, denial{unix.SYS_SOCKET, unix.EPERM, families})
	// Landlock's rules for TCP do not see the protocols that carry TCP or replace it.
	for _, protocol := range []uint32{unix.IPPROTO_MPTCP, unix.IPPROTO_SMC, unix.IPPROTO_SCTP, unix.IPPROTO_DCCP} {
		out = append(out, denial{unix.SYS_SOCKET, unix.EPROTONOSUPPORT, []test{is(2, protocol)}})
	}
	if p.Ports != nil {
		// The first packet of TCP Fast Open connects without a call of connect.
		fast := func(arg int) []test { return []test{{arg: arg, mask: unix.MSG_FASTOPEN, value: unix.MSG_FASTOPEN}} }
		out = append(out,
			denial{unix.SYS_SENDTO, unix.EOPNOTSUPP, fast(3)},
			denial{unix.SYS_SENDMSG, unix.EOPNOTSUPP, fast(2)},
			denial{unix.SYS_SENDMMSG, unix.EOPNOTSUPP, fast(3)})
	}
	return out
}

// filter compiles the denials of a policy.
func filter(p Policy) ([]unix.SockFilter, error) {
	if auditArch == 0 {
		return nil, fault.New(fault.Conflict, "the fence has no filter of system calls for %s", runtime.GOARCH).
			WithHint("Run muster on amd64 or arm64, or set mode = \"off\" under [fence].")
	}
	prog := []unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 1, 0),
		refuse(unix.ENOSYS), // another ABI has other numbers: every call of it would pass
		load(dataNumber),
	}
	if firstForeign != 0 {
		prog = append(prog, jump(unix.BPF_JGE, firstForeign, 0, 1), refuse(unix.ENOSYS))
	}
	for _, d := range denials(p) {
		prog = append(prog, d.compile()...)
	}
	return append(prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}), nil
}

// compile returns the instructions of a denial. They end in a return, or go on behind their end.
func (d denial) compile() []unix.SockFilter {
	// From the back, since a jump holds the number of instructions that it skips.
	out := []unix.SockFilter{refuse(d.errno)}
	skip := func() uint8 { return uint8(len(out)) } //nolint:gosec // a dozen
	for i := len(d.tests) - 1; i >= 0; i-- {
		t := d.tests[i]
		on, off := uint8(0), skip()
		if t.differ {
			on, off = off, on
		}
		out = append([]unix.SockFilter{jump(unix.BPF_JEQ, t.value, on, off)}, out...)
		if t.mask != 0 {
			out = append([]unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: t.mask}}, out...)
		}
		out = append([]unix.SockFilter{load(uint32(dataArgs + 8*t.arg))}, out...) //nolint:gosec // at most six arguments
	}
	return append([]unix.SockFilter{load(dataNumber), jump(unix.BPF_JEQ, d.call, 0, skip())}, out...)
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips yes instructions if the comparison holds, and no instructions if it does not.
func jump(op uint16, value uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, Jt: yes, Jf: no, K: value}
}

func refuse(errno unix.Errno) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)} //nolint:gosec // an error number is small
}
