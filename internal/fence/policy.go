package fence

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
)

// Policy lists what a fenced process may use. The paths are absolute and real: a path with a symbolic link in it is
// refused when the fence is prepared, because an agent may have put the link there.
type Policy struct {
	// Read lists files and directory trees that may be read and executed.
	Read []string
	// Write lists files and directory trees that may also be changed.
	Write []string
	// Unix allows sockets of the Unix family, and with them every service of the user that listens on one.
	Unix bool
	// Ports lists the TCP ports that may be connected to; nil allows all.
	Ports []int
}

// Applied describes a prepared fence, for the log.
type Applied struct {
	ABI     int    // of Landlock; 0 on macOS
	Seccomp bool   // whether a filter of system calls is part of it
	Read    int    // paths that exist and are granted for reading
	Write   int    // paths that exist and are granted for writing
	Policy  string // Policy.Digest
}

// EnterError is the error of a restriction that the kernel refused.
type EnterError struct {
	Step string
	Err  error
}

func (e *EnterError) Error() string { return "enter the fence: " + e.Step + ": " + e.Err.Error() }

func (e *EnterError) Unwrap() error { return e.Err }

// Digest returns the SHA-256 of everything that a policy grants, in hexadecimal digits. The order of the paths counts.
func (p Policy) Digest() (string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode the policy of a fence: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// check refuses a policy that cannot mean what it says.
func (p Policy) check() error {
	for _, path := range slices.Concat(p.Read, p.Write) {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return fault.New(fault.Usage, "a path of the fence is not absolute and clean: %q", path)
		}
	}
	for _, port := range p.Ports {
		if port < 1 || port > 65535 {
			return fault.New(fault.Usage, "a port of the fence is not between 1 and 65535: %d", port)
		}
	}
	return nil
}

// Real returns the real path of a file that the fence is to grant, and whether it exists.
func Real(path string) (real string, exists bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path, false
	}
	return filepath.Clean(real), true
}

// isMissing reports whether an error means that this user can reach no such file.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOTDIR)
}

// System returns a policy that grants the system's programs, libraries, configuration and devices, and nothing of the user.
func System() Policy {
	return Policy{Read: realOf(systemRead), Write: realOf(systemWrite)}
}

// realOf returns the real paths of those files that exist, without duplicates.
func realOf(paths []string) []string {
	var out []string
	for _, path := range paths {
		if real, exists := Real(path); exists && !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out
}
