package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReliabilityNamesTestsThatExist holds docs/reliability.md to its word: a test or a script that it names is there.
func TestReliabilityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
			there[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 50 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, n := range named {
		if !there[n[1]] {
			t.Errorf("docs/reliability.md names %s, which is not there", n[1])
		}
	}
	scripts := regexp.MustCompile("`(\\w+\\.txtar)`").FindAllStringSubmatch(string(page), -1)
	if len(scripts) < 10 {
		t.Errorf("the page names %d scripts", len(scripts))
	}
	for _, n := range scripts {
		if _, err := os.Stat(filepath.Join("cli", "testdata", "script", n[1])); err != nil && n[1] != "x.txtar" {
			t.Errorf("docs/reliability.md names the script %s: %v", n[1], err)
		}
	}
}
