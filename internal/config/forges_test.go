package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestForges_AreTheUsersOnly(t *testing.T) {
	t.Parallel()
	load := func(user, project string) (Config, error) {
		dir := t.TempDir()
		files := []string{filepath.Join(dir, UserFile), filepath.Join(dir, ProjectFile)}
		for i, content := range []string{user, project} {
			if err := os.WriteFile(files[i], []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return Load(files[0], files[1])
	}
	c, err := load("[forges.a]\nhost = \"git.example.com\"\ncommand = [\"/x/forge\", \"-v\"]\n", "")
	if err != nil || !slices.Equal(c.ForgeOf("Git.Example.com"), []string{"/x/forge", "-v"}) || c.ForgeOf("github.com") != nil {
		t.Errorf("ForgeOf = %q, %v", c.ForgeOf("git.example.com"), err)
	}
	for text, want := range map[string]string{
		"[forges.a]\ncommand = [\"x\"]\n":                                                            "has no `host`",
		"[forges.a]\nhost = \"https://x\"\ncommand = [\"x\"]\n":                                      "has no `host`",
		"[forges.a]\nhost = \"x\"\n":                                                                 "has no `command`",
		"[forges.a]\nhost = \"x\"\ncommand = [\"x\"]\n[forges.b]\nhost = \"X\"\ncommand = [\"x\"]\n": "has the `host` of forge `a`",
	} {
		if _, err := load(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := load("", "[forges.a]\nhost = \"x\"\ncommand = [\"x\"]\n"); err == nil || !strings.Contains(err.Error(), "does not belong in a project's") {
		t.Errorf("in a project: %v", err)
	}
}
