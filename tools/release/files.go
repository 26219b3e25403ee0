package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is a file of each archive and package besides the program.
type file struct {
	name string // in archives
	path string // where a package installs it
	data []byte
}

// documents returns the files that are the same for all targets.
func (r *release) documents(work string) ([]file, error) {
	var all []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, "/usr/share/doc/muster/" + name, data})
	}
	for shell, place := range map[string][2]string{
		"bash": {"completions/muster.bash", "/usr/share/bash-completion/completions/muster"},
		"zsh":  {"completions/_muster", "/usr/share/zsh/vendor-completions/_muster"},
		"fish": {"completions/muster.fish", "/usr/share/fish/vendor_completions.d/muster.fish"},
	} {
		text, err := r.output(r.host, "completion", shell)
		if err != nil {
			return nil, err
		}
		all = append(all, file{place[0], place[1], []byte(text)})
	}
	pages := filepath.Join(work, "man")
	if _, err := r.output(r.host, "man", "--dir", pages); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(pages, e.Name()))
		if err != nil {
			return nil, err
		}
		packed, err := zip(data)
		if err != nil {
			return nil, err
		}
		all = append(all, file{"man/man1/" + e.Name() + ".gz", "/usr/share/man/man1/" + e.Name() + ".gz", packed})
	}
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// zip compresses data; the result depends on nothing else.
func zip(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

// archive writes the archive of a target and returns its checksum.
func (r *release) archive(t target, program string, common []file) (string, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name string, mode int64, data []byte) error {
		h := &tar.Header{Name: "muster/" + name, Mode: mode, Size: int64(len(data)), ModTime: r.time, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	if err := add("muster", 0o755, data); err != nil {
		return "", err
	}
	for _, f := range common {
		if err := add(f.name, 0o644, f.data); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	packed, err := zip(b.Bytes())
	if err != nil {
		return "", err
	}
	return sum(packed), r.write(r.archiveName(t), packed)
}

func (r *release) archiveName(t target) string {
	return fmt.Sprintf("muster_%s_%s.tar.gz", r.version, t)
}

// write writes one file of the release.
func (r *release) write(name string, data []byte) error {
	r.made = append(r.made, name)
	return os.WriteFile(filepath.Join(r.out, name), data, 0o644)
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// checksums writes the checksums of all files, as sha256sum --check reads them.
func (r *release) checksums() error {
	slices.Sort(r.made)
	var b strings.Builder
	for _, name := range r.made {
		data, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum(data), name)
	}
	return r.write("checksums.txt", []byte(b.String()))
}
