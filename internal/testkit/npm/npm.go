package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/lock"
	"muster/internal/run"
)

// Package is a program that npm installs.
type Package struct {
	Name string // directory in the cache, with the version
	Bin  string // name of the program in node_modules/.bin
	// Spec is what npm installs, such as "@vendor/program@1.2.3". It is "" for a package with a lock file.
	Spec string
	// Manifest and Lock are a package.json and its package-lock.json, which fixes every file that is installed.
	Manifest, Lock []byte
}

// limit is the longest time of an installation: a program may have hundreds of megabytes.
const limit = 10 * time.Minute

// Path returns the program of a test: the one that a variable of the environment names, or the one of Program. what is its name and
// version. The test fails if there is none.
func (p Package) Path(t testing.TB, what, variable string) string {
	t.Helper()
	if own := os.Getenv(variable); own != "" {
		return own
	}
	program, err := p.Program(t.Context())
	if err != nil {
		t.Fatalf("no %s for this test (name one by %s): %v", what, variable, err)
	}
	return program
}

// Program returns the path of the program in the cache. It installs the package first if it is missing. A lock
// serialises test processes. The last step is a rename, so that a broken installation is never found.
func (p Package) Program(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}
	base := filepath.Join(cache, "muster-test")
	if err := os.MkdirAll(base, 0o755); err != nil { //nolint:gosec // a cache of public programs
		return "", fmt.Errorf("make the cache: %w", err)
	}
	final := filepath.Join(base, p.dir())
	program := filepath.Join(final, "node_modules", ".bin", p.Bin)
	held, err := lock.Wait(ctx, final+".lock")
	if err != nil {
		return "", err
	}
	defer lock.Release(held)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	scratch, err := os.MkdirTemp(base, "install-")
	if err != nil {
		return "", fmt.Errorf("install %s: %w", p.Name, err)
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a left-over in the cache is harmless
	if err := p.install(ctx, scratch); err != nil {
		return "", fmt.Errorf("install %s: %w", p.Name, err)
	}
	if err := os.RemoveAll(final); err != nil {
		return "", fmt.Errorf("install %s: %w", p.Name, err)
	}
	if err := os.Rename(scratch, final); err != nil {
		return "", fmt.Errorf("install %s: %w", p.Name, err)
	}
	return program, nil
}

// dir returns the directory in the cache. Another lock file is another installation.
func (p Package) dir() string {
	if p.Spec != "" {
		return p.Name
	}
	sum := sha256.Sum256(p.Lock)
	return p.Name + "-" + hex.EncodeToString(sum[:4])
}

func (p Package) install(ctx context.Context, dir string) error {
	argv := []string{"npm", "install", "--prefix", dir, "--no-audit", "--no-fund", p.Spec}
	if p.Spec == "" {
		argv = []string{"npm", "ci", "--prefix", dir, "--no-audit", "--no-fund"}
		for name, data := range map[string][]byte{"package.json": p.Manifest, "package-lock.json": p.Lock} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				return err
			}
		}
	}
	_, err := run.Do(ctx, run.Cmd{Argv: argv, Dir: dir, Env: os.Environ(), Timeout: limit})
	return err
}
