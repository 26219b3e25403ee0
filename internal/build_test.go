package internal_test

import (
	"bufio"
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// maxBinary is the size that the shipped binary must stay under, which has no symbols: a hook starts it at each tool call.
const maxBinary = 25_000_000

func TestTheBinaryIsSmallStaticAndKnowsTimeZones(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "muster")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", bin, "./cmd/muster")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	st, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, more than %d", st.Size(), maxBinary)
	}
	program, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Asia/Kolkata"} { // the ends of usage limits name them
		if !bytes.Contains(program, []byte(zone)) {
			t.Errorf("the binary does not know the time zone %s", zone)
		}
	}
	if runtime.GOOS != "linux" {
		return // macOS has no static programs
	}
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has a %s segment", p.Type)
		}
	}
}

// costly are packages that cost every start of the program, or a large part of its size: their variables are initialised before
// main, or they make the linker keep every exported method.
var costly = []string{
	"html/template", "github.com/google/jsonschema-go/jsonschema", "github.com/alecthomas/chroma/v2", "charm.land/glamour/v2", "charm.land/bubbles/v2",
	"charm.land/lipgloss/v2/compat",
}

func TestTheProgramHasNoDependencyThatCostsAtEachStart(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/muster")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, c := range costly {
			if dep = strings.TrimSpace(dep); dep == c || strings.HasPrefix(dep, c+"/") {
				t.Errorf("the program depends on %s", dep)
			}
		}
	}
}

// TestEveryDependencyHasAReason compares deps.txt with go.mod: one line "module  reason" for each direct one.
func TestEveryDependencyHasAReason(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{}
	for _, line := range lines(t, "../deps.txt") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		module, reason, _ := strings.Cut(line, " ")
		if reason = strings.TrimSpace(reason); len(reason) < 10 {
			t.Errorf("deps.txt: %s has no reason", module)
		}
		if _, twice := reasons[module]; twice {
			t.Errorf("deps.txt: %s stands there twice", module)
		}
		reasons[module] = reason
	}
	required := map[string]bool{}
	in := false
	for _, line := range lines(t, "../go.mod") {
		switch {
		case line == "require (":
			in = true
		case line == ")":
			in = false
		case in || strings.HasPrefix(line, "require "):
			if !strings.Contains(line, "// indirect") {
				module, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "require ")), " ")
				required[module] = true
			}
		}
	}
	if len(required) < 5 {
		t.Fatalf("only %d modules found in go.mod", len(required))
	}
	for module := range required {
		if reasons[module] == "" {
			t.Errorf("deps.txt: %s is required by go.mod and has no line", module)
		}
	}
	for module := range reasons {
		if !required[module] {
			t.Errorf("deps.txt: go.mod does not require %s", module)
		}
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
