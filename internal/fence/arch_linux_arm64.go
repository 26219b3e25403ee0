package fence

import "golang.org/x/sys/unix"

// auditArch is the native ABI of system calls. It shares its number with no other one.
const (
	auditArch    = unix.AUDIT_ARCH_AARCH64
	firstForeign = 0
)
