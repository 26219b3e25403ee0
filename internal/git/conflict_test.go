package git

import (
	"slices"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

func TestConflictsNamesTheFilesAndChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ours := w.branchWith("ours", "main", map[string]string{"a.txt": "ours\n", "b.txt": "ours\n"})
	theirs := w.branchWith("theirs", "main", map[string]string{"a.txt": "theirs\n", "b.txt": "theirs\n"})
	other := w.branchWith("other", "main", map[string]string{"c.txt": "other\n"})
	before := w.state(w.repo)
	files, there, err := w.r.Conflicts(t.Context(), ours, theirs)
	if slices.Sort(files); err != nil || !there || !slices.Equal(files, []string{"a.txt", "b.txt"}) {
		t.Errorf("Conflicts = %q, %v, %v", files, there, err)
	}
	if files, there, err := w.r.Conflicts(t.Context(), ours, other); err != nil || there || files != nil {
		t.Errorf("Conflicts of work that fits = %q, %v, %v", files, there, err)
	}
	if after := w.state(w.repo); after != before {
		t.Errorf("the repository is\n%s\nand was\n%s", after, before)
	}
	_, _, err = w.r.Conflicts(t.Context(), "main", theirs)
	faulttest.Want(t, err, fault.Usage, "main")
}
