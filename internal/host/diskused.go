package host

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Used is the room that files take on their disks.
type Used struct {
	Bytes int64
	Files int
	// Partial is true if not everything was counted, because ctx ended or something could not be read: it is more.
	Partial bool
}

// Add returns the sum of two.
func (u Used) Add(v Used) Used {
	return Used{Bytes: u.Bytes + v.Bytes, Files: u.Files + v.Files, Partial: u.Partial || v.Partial}
}

// DiskUsed returns the room that a file or directory takes, until ctx ends. A missing one takes none. Links are not followed,
// other file systems are left out, and a file with several names counts once.
func DiskUsed(ctx context.Context, path string) (u Used) {
	top, err := os.Lstat(path)
	if err != nil {
		u.Partial = !os.IsNotExist(err)
		return u
	}
	device, _ := fileIdentity(top)
	seen := map[[2]uint64]bool{}
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // such as a directory that an agent has made unreadable
			u.Partial = true
			return nil
		}
		st, err := d.Info()
		if err != nil {
			u.Partial = u.Partial || !os.IsNotExist(err)
			return nil
		}
		id, stat := fileIdentity(st)
		if stat == nil {
			u.Bytes += st.Size()
			u.Files++
			return nil
		}
		if id[0] != device[0] {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if stat.Nlink > 1 && !d.IsDir() {
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		u.Bytes += stat.Blocks * 512 // of this size whatever the file system's own is
		u.Files++
		return nil
	})
	u.Partial = u.Partial || err != nil
	return u
}

// fileIdentity returns device and inode of a file.
func fileIdentity(st fs.FileInfo) ([2]uint64, *syscall.Stat_t) {
	stat, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return [2]uint64{}, nil
	}
	return [2]uint64{uint64(stat.Dev), stat.Ino}, stat //nolint:gosec,unconvert // signed on one system
}
