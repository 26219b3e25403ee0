package scarce

import (
	"errors"
	"strings"
	"syscall"
)

// scarcities are the system's errors which say that the machine lacks something now: room, inodes, terminals (all three
// are ENOSPC), descriptors, memory, processes, or a disk that may be written.
func scarcities() []syscall.Errno {
	return []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EROFS,
	}
}

// ExitStatus is how a program of ours ends for which the machine lacked something, or that found what it was to start
// running: EX_TEMPFAIL of sysexits.h.
const ExitStatus = 75

// Lack is a shortage that is known in another program's words alone.
type Lack string

// Error implements error.
func (l Lack) Error() string { return string(l) }

// Is reports whether something failed because the machine lacks something that may be there again later: no fault of
// the task that it was done for.
func Is(err error) bool {
	for _, e := range scarcities() {
		if errors.Is(err, e) {
			return true
		}
	}
	_, said := errors.AsType[Lack](err)
	return said
}

// OfDisk reports whether something failed because a disk is full or cannot be written, which says nothing of other disks.
func OfDisk(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

// In finds the first of those errors that the words of other programs tell of; nil if there is none. Words are no
// proof: a project's tests may speak of a full disk while there is room.
func In(words string) error {
	for _, e := range scarcities() {
		if Says(words, e) {
			return e
		}
	}
	return nil
}

// Says reports whether another program gave one of those errors, which reaches us in its words alone. EAGAIN is none of
// them: its words are said of much else.
func Says(words string, e error) bool {
	if e, ok := e.(syscall.Errno); ok && e != syscall.EAGAIN { //nolint:errorlint // a target, as errors.Is gives it
		for _, s := range scarcities() {
			if s == e {
				return strings.Contains(strings.ToLower(words), strings.ToLower(e.Error()))
			}
		}
	}
	return false
}
