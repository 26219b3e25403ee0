package host

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Disk is the room on a file system.
type Disk struct {
	Free, Total uint64 // bytes; Free is what an ordinary user may still write
	FreeInodes  uint64 // math.MaxUint64 if the file system has no limit
	ReadOnly    bool   // mounted read-only
}

// DiskAt returns the free space of the file system that holds path, which must exist.
func DiskAt(path string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return Disk{}, fmt.Errorf("read free disk space at %s: %w", path, err)
	}
	block := uint64(st.Bsize) //nolint:gosec,unconvert // signed on one system, never negative
	d := Disk{Free: st.Bavail * block, Total: st.Blocks * block, FreeInodes: st.Ffree, ReadOnly: readOnly(&st)}
	if st.Files == 0 {
		d.FreeInodes = math.MaxUint64
	}
	return d, nil
}
