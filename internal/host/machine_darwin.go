package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	awakeClock = unix.CLOCK_UPTIME_RAW
	bootClock  = unix.CLOCK_MONOTONIC
)

// BootID returns an id of this boot of the host. It changes with each reboot.
func BootID() (string, error) {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return id, nil
}

// mostFiles returns the number of open files that the system permits, whatever the hard limit is.
func mostFiles() uint64 {
	n, err := unix.SysctlUint32("kern.maxfilesperproc")
	if err != nil {
		return 10240 // OPEN_MAX
	}
	return uint64(n)
}

// Mem returns the memory of the host. Available is an approximation: free, purgeable and file-backed pages, without
// the gain of further compression.
func Mem() (Memory, error) {
	total, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	var pages uint64
	for _, name := range []string{"vm.page_free_count", "vm.page_purgeable_count", "vm.page_pageable_external_count"} {
		if n, err := unix.SysctlUint32(name); err == nil {
			pages += uint64(n)
		}
	}
	return Memory{Total: total, Available: min(total, pages*uint64(unix.Getpagesize()))}, nil //nolint:gosec // positive
}

func readOnly(st *unix.Statfs_t) bool { return st.Flags&unix.MNT_RDONLY != 0 }
