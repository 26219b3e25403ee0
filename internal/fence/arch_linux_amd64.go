package fence

import "golang.org/x/sys/unix"

// auditArch is the native ABI of system calls. The calls of the x32 ABI have its number, too, and begin at firstForeign.
const (
	auditArch    = unix.AUDIT_ARCH_X86_64
	firstForeign = 0x40000000
)
