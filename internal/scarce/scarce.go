package scarce

import (
	"errors"
	"strings"
	"syscall"
)

// scarcities returns the errors of the system that mean a shortage: of space, inodes or terminals (all three are
// ENOSPC), file descriptors, memory, processes, or a writable disk.
func scarcities() []syscall.Errno {
	return []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EROFS,
	}
}

// Exit statuses of a muster process that did not begin its work, and is not to blame for it.
const (
	ExitStatus     = 75 // it met a shortage; EX_TEMPFAIL of sysexits.h
	HeldExitStatus = 69 // another process holds the lock of this work; EX_UNAVAILABLE
)

// Lack is a shortage that is known only from the output of another program.
type Lack string

// Error implements error.
func (l Lack) Error() string { return string(l) }

// Is reports whether something failed because of a shortage of the machine that may end later. Such a failure is not
// the task's fault.
func Is(err error) bool {
	for _, e := range scarcities() {
		if errors.Is(err, e) {
			return true
		}
	}
	_, said := errors.AsType[Lack](err)
	return said
}

// OfDisk reports whether something failed because a disk is full or cannot be written. Other disks may be fine.
func OfDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// In returns the first of the shortages that the output of a program names; nil if it names none. It is weak
// evidence: a project's tests may print such a text while there is no shortage.
func In(words string) error {
	for _, e := range scarcities() {
		if Says(words, e) {
			return e
		}
	}
	return nil
}

// Says reports whether the output of a program names the shortage e. EAGAIN is excluded, because its text has many
// other causes.
func Says(words string, e error) bool {
	if e, ok := e.(syscall.Errno); ok && e != syscall.EAGAIN { //nolint:errorlint // a target, as errors.Is passes it
		for _, s := range scarcities() {
			if s == e {
				return strings.Contains(strings.ToLower(words), strings.ToLower(e.Error()))
			}
		}
	}
	return false
}
