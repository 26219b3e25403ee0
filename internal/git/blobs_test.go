package git

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBlobsReadsTheFilesOfARevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.repo, "AGENTS.md", "agents\n")
	w.write(w.repo, ".claude/rules/a b.md", "rule\n")
	w.write(w.repo, "docs/a.md", "a\n")
	w.write(w.repo, "big.md", string(make([]byte, maxBlob+1)))
	for link, target := range map[string]string{"CLAUDE.md": "AGENTS.md", "out.md": "../../etc/passwd", "abs.md": "/etc/passwd", ".claude/skills": "../docs"} {
		if err := os.Symlink(target, filepath.Join(w.repo, link)); err != nil {
			t.Fatal(err)
		}
	}
	w.git(w.repo, "add", "-A")
	w.git(w.repo, "commit", "-qm", "files")
	w.write(w.repo, "AGENTS.md", "not committed\n")
	got, err := w.r.Blobs(t.Context(), "HEAD", "CLAUDE.md", ".claude", "big.md", "out.md", "abs.md", "none", ":(top)x")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || string(got[".claude/skills"]) != "-> docs" || string(got["CLAUDE.md"]) != "agents\n" || string(got[".claude/rules/a b.md"]) != "rule\n" {
		t.Errorf("Blobs = %q", got)
	}
}
