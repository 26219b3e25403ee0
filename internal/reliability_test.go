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
	namesTests(t, "reliability.md", 50, 10)
}

// TestSecurityNamesTestsThatExist does the same for docs/security.md.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	namesTests(t, "security.md", 20, 2)
}

// namesTests fails the test if a page of the documentation names a test or a script that does not exist, or only a few.
func namesTests(t *testing.T, name string, tests, scripts int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "docs", name))
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
	if len(named) < tests {
		t.Errorf("docs/%s names %d tests", name, len(named))
	}
	for _, n := range named {
		if !there[n[1]] {
			t.Errorf("docs/%s names %s, which is not there", name, n[1])
		}
	}
	played := regexp.MustCompile("`(\\w+\\.txtar)`").FindAllStringSubmatch(string(page), -1)
	if len(played) < scripts {
		t.Errorf("docs/%s names %d scripts", name, len(played))
	}
	for _, n := range played {
		if _, err := os.Stat(filepath.Join("cli", "testdata", "script", n[1])); err != nil && n[1] != "x.txtar" {
			t.Errorf("docs/%s names the script %s: %v", name, n[1], err)
		}
	}
}
