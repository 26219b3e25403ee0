package git

import (
	"os"

	"muster/internal/regular"
)

// maxSmall bounds the files of a git directory that are read whole: HEAD, gitdir, MERGE_HEAD and the like.
const maxSmall = 1 << 20

// openRegular opens a regular file. An agent may have replaced it by a FIFO, a device or a directory; that is an
// error.
func openRegular(name string) (*os.File, os.FileInfo, error) {
	f, err := regular.Follow(name)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

// readSmall reads a small regular file whole.
func readSmall(name string) ([]byte, error) { return regular.ReadFollow(name, maxSmall) }
