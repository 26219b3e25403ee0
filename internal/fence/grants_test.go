package fence

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/testkit/files"
)

func TestFreeze_RefusesWhatGivesTheFenceAway(t *testing.T) {
	t.Parallel()
	root, _ := Real(t.TempDir())
	user := filepath.Join(root, "u")
	for _, dir := range []string{"u/.ssh", "u/.config/gh", "u/state/muster", "u/data", "other"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"u/way": "u/.ssh", "u/fine": "other"} {
		if err := os.Symlink(filepath.Join(root, to), filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	k := Keep{User: user, State: user + "/state/muster", Config: user + "/.config/muster/config.toml", Where: []string{"c:1", "c:2"}}
	for path, why := range map[string]string{
		"/": "everything", user: "it holds", root: "it holds", user + "/.ssh": ".ssh", user + "/.ssh/id": ".ssh", user + "/way": ".ssh",
		user + "/.config": "configuration of the fence", user + "/.config/gh/hosts.yml": ".config/gh", user + "/.gnupg": ".gnupg", user + "/.aws": ".aws",
		user + "/state": "fleet's state", user + "/state/muster/bin": "fleet's state",
	} {
		if _, _, _, err := k.Freeze(nil, []string{path}); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "fence.write (c:2)") {
			t.Errorf("write %s: %v, want %s", path, err, why)
		}
	}
	if _, _, _, err := k.Freeze([]string{user}, nil); err == nil || !strings.Contains(err.Error(), "fence.read (c:1)") {
		t.Errorf("read of the state: %v", err)
	}
	read, write, links, err := k.Freeze([]string{user + "/.ssh"}, []string{user + "/data", user + "/fine", user + "/missing"})
	if err != nil || !slices.Equal(read, []string{user + "/.ssh"}) || !slices.Equal(write, []string{user + "/data", root + "/other", user + "/missing"}) || len(links) != 1 {
		t.Errorf("read %v, write %v, links %v, %v", read, write, links, err)
	}
}

func TestGrants_ResolveLinksButNotThoseOfTheTask(t *testing.T) {
	t.Parallel()
	root, _ := Real(t.TempDir())
	if err := os.Mkdir(filepath.Join(root, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(filepath.Join(root, "real"), link); err != nil {
		t.Fatal(err)
	}
	p := Grants(Need{Fence: event.Fence{Write: []string{link}}, Write: []string{link, root + "/missing"}})
	if !slices.Contains(p.Write, root+"/real") || !slices.Contains(p.Write, link) || slices.Contains(p.Write, root+"/missing") {
		t.Errorf("write %v", p.Write)
	}
	if !p.Covers("/usr/bin/true") || p.Covers(root+"/other") || p.Covers("/usrx") {
		t.Errorf("covers: %v", p.Read)
	}
}

func TestProgram_GrantsTheTreeOfPackagesAroundIt(t *testing.T) {
	t.Parallel()
	root, _ := Real(t.TempDir())
	dir := filepath.Join(root, "node_modules", "@x", "tool", "bin")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	files.Script(t, dir, "tool.js", "true")
	if err := os.Symlink(filepath.Join(dir, "tool.js"), filepath.Join(root, "tool")); err != nil {
		t.Fatal(err)
	}
	if got := Program(filepath.Join(root, "tool")); !slices.Equal(got, []string{root + "/node_modules"}) {
		t.Errorf("granted %v", got)
	}
	if got := Program("/bin/true"); len(got) != 1 || got[0] != "/usr/bin/true" && got[0] != "/bin/true" {
		t.Errorf("granted %v", got)
	}
	if got := Program(root + "/missing"); got != nil {
		t.Errorf("granted %v", got)
	}
}

func TestMakeTemp_RefusesWhatIsNotOursAlone(t *testing.T) {
	t.Parallel()
	h := home.Dir(t.TempDir())
	dir, err := MakeTemp(h, "t1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(dir)) })
	if again, err := MakeTemp(h, "t1"); err != nil || again != dir || len(dir) > 60 {
		t.Errorf("again %s, %v", again, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // it is the point
		t.Fatal(err)
	}
	if _, err := MakeTemp(h, "t1"); err == nil {
		t.Error("a directory that others enter is used")
	}
	if err := os.Symlink(dir, filepath.Join(filepath.Dir(dir), "t2")); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeTemp(h, "t2"); err == nil {
		t.Error("a link is used")
	}
}
