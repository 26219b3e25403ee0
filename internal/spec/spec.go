package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
	"muster/internal/regular"
)

// Version is the version of all spec files. A program reads only its own: a pane runs the copy of the program that
// wrote the file.
const Version = 1

// MaxSize is the largest spec file in bytes: a prompt of 100 KiB and an environment fit many times.
const MaxSize = 1 << 20

// Kind is what a spec file describes.
type Kind string

// The kinds of spec files.
const (
	Agent Kind = "agent"
	Job   Kind = "job"
	Fence Kind = "fence"
	Shell Kind = "shell"
)

// Write writes a new spec file that only its owner can read, in place of an old one. The file is not synced: its
// reader is started afterwards, and a power failure ends that, too. what names the file in errors.
func Write(path string, v any, what string) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", what, err)
	}
	if len(b) > MaxSize {
		return fault.New(fault.Usage, "%s is too large: %d bytes of at most %d", what, len(b), MaxSize).
			WithHint("Hand a long prompt over in a file: use {prompt_file} instead of {prompt}.")
	}
	if err := writeNew(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

// writeNew removes what is at path and creates the file.
func writeNew(path string, data []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the caller's path
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// Read decodes a spec file into v. It refuses a file that others can read or that belongs to another user, one that
// is too large, and one of another version or kind.
func Read(path string, want Kind, v any) error {
	b, err := readPrivate(path)
	if err != nil {
		return err
	}
	got, err := kindOf(path, b)
	if err != nil {
		return err
	}
	if got != want {
		return fault.New(fault.Usage, "%s is the spec of a %s, not of a %s", path, got, want)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read launch spec %s: %w", path, err)
	}
	return nil
}

// KindOf returns the kind of a spec file, under the rules of Read.
func KindOf(path string) (Kind, error) {
	b, err := readPrivate(path)
	if err != nil {
		return "", err
	}
	return kindOf(path, b)
}

// kindOf checks the version first: without it the other fields have no meaning.
func kindOf(path string, b []byte) (Kind, error) {
	var head struct {
		V    int  `json:"v"`
		Kind Kind `json:"kind"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", fmt.Errorf("read launch spec %s: %w", path, err)
	}
	if head.V != Version {
		return "", fault.New(fault.Conflict, "launch spec %s has version %d, this program reads %d", path, head.V, Version).
			WithHint("Start it with the copy of muster that wrote it, in the state directory's bin.")
	}
	return head.Kind, nil
}

// readPrivate reads a file that may hold secrets.
func readPrivate(path string) ([]byte, error) {
	f, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.NotFound, err, "no launch spec")
	}
	if errors.Is(err, regular.ErrNotRegular) {
		return nil, fault.Wrap(fault.Conflict, err, "launch spec %s is not a regular file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open launch spec: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if err := checkPrivate(f); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read launch spec: %w", err)
	}
	return b, nil
}

// checkPrivate refuses a file that another user owns or can read.
func checkPrivate(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("read launch spec: %w", err)
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return fault.New(fault.Conflict, "launch spec %s belongs to user %d, not to us", f.Name(), st.Uid)
	case st.Mode&0o077 != 0:
		return fault.New(fault.Conflict, "launch spec %s is open to others (mode %04o)", f.Name(), st.Mode&0o777).
			WithHint("It holds secrets; they may be known. Remove it and dispatch again.")
	case st.Size > MaxSize+1:
		return fault.New(fault.Usage, "launch spec %s is too large: %d bytes of at most %d", f.Name(), st.Size, MaxSize)
	}
	return nil
}
