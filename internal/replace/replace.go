package replace

import (
	"io/fs"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// File writes a file anew and syncs it before it takes its place. A new file has the mode, less the umask; one that is
// there keeps its own. The directory must exist. Errors are those of the system, as errors.Is sees them.
func File(path string, data []byte, mode fs.FileMode) error {
	return renameio.WriteFile(path, data, mode, renameio.WithTempDir(filepath.Dir(path)))
}
