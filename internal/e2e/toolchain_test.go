package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fence"
	"muster/internal/home"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// patienceBuild is how long a task may take whose caches are empty: Go builds its library first.
const patienceBuild = 15 * time.Minute

// toolchain is a project as its owner has it: it works outside of a fence, and nothing was granted for it.
type toolchain struct {
	needs string // the program without which the test is skipped
	files map[string]string
	fetch string // what brings its dependencies, outside of a fence, to see that they can be had
	setup string
	work  string // what an agent does in the worktree
}

var toolchains = map[string]toolchain{
	"Go": {
		needs: "go",
		files: map[string]string{
			"go.mod": "module example.com/ids\n\ngo 1.21\n\nrequire github.com/google/uuid v1.6.0\n",
			"go.sum": "github.com/google/uuid v1.6.0 h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0=\n" +
				"github.com/google/uuid v1.6.0/go.mod h1:TIyPZe4MgqvfeYDBFedMoGGpEw/LqOeaOT+nhxU+yHo=\n",
			"ids.go":      "package ids\n\nimport \"github.com/google/uuid\"\n\n// New returns an identifier.\nfunc New() string { return uuid.NewString() }\n",
			"ids_test.go": "package ids\n\nimport \"testing\"\n\nfunc TestNew(t *testing.T) {\n\tif n := len(New()); n != 36 {\n\t\tt.Fatal(n)\n\t}\n}\n",
		},
		fetch: "go mod download", setup: "go mod download",
		// The second command asks the checksum database, as a new dependency does.
		work: "go build ./... && rm go.sum && go mod tidy && go test ./...",
	},
	"Node": {
		needs: "npm",
		files: map[string]string{
			"package.json": `{"name":"numbers","version":"1.0.0","private":true,"scripts":{"test":"node --test"},"dependencies":{"is-number":"7.0.0"}}` + "\n",
			"package-lock.json": `{"name":"numbers","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
"":{"name":"numbers","version":"1.0.0","dependencies":{"is-number":"7.0.0"}},
"node_modules/is-number":{"version":"7.0.0","resolved":"https://registry.npmjs.org/is-number/-/is-number-7.0.0.tgz",
"integrity":"sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==","license":"MIT","engines":{"node":">=0.12.0"}}}}` + "\n",
			"numbers.test.js": "const number = require('is-number')\nrequire('node:test')('a number', () => require('node:assert')(number(1)))\n",
			".gitignore":      "node_modules\n",
		},
		fetch: "npm ci", setup: "npm ci",
		work: "npm test",
	},
	"Rust": {
		needs: "cargo",
		files: map[string]string{
			"Cargo.toml":  "[package]\nname = \"sums\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
			"Cargo.lock":  "version = 3\n\n[[package]]\nname = \"sums\"\nversion = \"0.1.0\"\n",
			"src/main.rs": "fn main() {\n    println!(\"{}\", 1 + 1);\n}\n\n#[test]\nfn sums() {\n    assert_eq!(1 + 1, 2);\n}\n",
			".gitignore":  "target\n",
		},
		fetch: "cargo fetch",
		work:  "cargo build && cargo test",
	},
}

// usesToolchains gives the fleet a user who has installed toolchains in the home directory, and returns that directory.
func (f *Fleet) usesToolchains() string {
	f.t.Helper()
	if _, err := fence.ABI(); err != nil {
		f.t.Skipf("NOT TESTED: %v", err)
	}
	user, own := f.root+"/user", os.Getenv("HOME")
	for _, name := range []string{".rustup", ".cargo/bin", ".nvm", ".pyenv", "go/bin", "sdk"} {
		if _, err := os.Stat(filepath.Join(own, name)); err != nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(user, name)), 0o700); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(own, name), filepath.Join(user, name)); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(user, 0o700); err != nil {
		f.t.Fatal(err)
	}
	f.withVar("HOME", user)
	return user
}

// project fills the fleet's repository.
func (f *Fleet) project(files map[string]string) {
	f.t.Helper()
	for name, text := range files {
		path := filepath.Join(f.repo, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			f.t.Fatal(err)
		}
		f.write(path, text)
	}
}

// fetches skips the test if the dependencies of the repository cannot be had here, with a fence or without one.
func (f *Fleet) fetches(c toolchain) {
	f.t.Helper()
	if _, err := exec.LookPath(c.needs); err != nil {
		f.t.Skipf("NOT TESTED: %s is not installed", c.needs)
	}
	elsewhere := f.t.TempDir()
	for name, text := range c.files {
		path := filepath.Join(elsewhere, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			f.t.Fatal(err)
		}
		f.write(path, text)
	}
	cmd := exec.Command("sh", "-c", c.fetch)
	cmd.Dir = elsewhere
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Skipf("NOT TESTED: the dependencies cannot be fetched here: %v\n%s", err, out)
	}
}

// filesOf returns the files and directories below a directory, without what links lead to.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		out = append(out, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAFencedNightOnToolchains runs a task in repositories of three languages as a new user would: with the checks and the
// fence that `muster init` proposes, and with nothing granted. Dependencies come from their registries in the setup.
func TestAFencedNightOnToolchains(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	for name, c := range toolchains {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			user := f.usesToolchains()
			f.fetches(c)
			f.project(c.files)
			f.must("init")
			if c.setup != "" && name == "Go" { // init knows of npm ci
				f.write(f.repo+"/muster.toml", strings.Replace(f.read(f.repo+"/muster.toml"), "[workspace]\n", "[workspace]\nsetup = \""+c.setup+"\"\n", 1))
			}
			f.write(f.repo+"/agent.sh", "set -e\necho \"$USER\" > made.txt\n("+c.work+") > \"$TMPDIR/said\" 2>&1 || { cat \"$TMPDIR/said\"; exit 1; }\n"+
				"if (echo x > \"$HOME/outside\") 2>/dev/null; then exit 9; fi\nmuster done\n")
			f.git("add", "-A")
			f.git("commit", "-q", "-m", "a project")
			before := filesOf(t, user)

			id := f.dispatchPrompt("build it", "--command", "sh agent.sh", "--env", "USER=pat", "--env", "GOFLAGS=-modcacherw", "--env", "GOTOOLCHAIN=local",
				"--env", "RUSTUP_AUTO_INSTALL=0")
			f.within(patienceBuild, "the task rests", func() bool { return taskRests(f.task(id)) })
			got := f.reaches(id, event.Done)
			if got.Agent.Fenced == nil || got.Gen != 1 {
				t.Errorf("fence %v, generation %d", got.Agent.Fenced, got.Gen)
			}
			jobs := payloads[event.JobStarted](f, id)
			for _, j := range jobs {
				if j.Fence == nil {
					t.Errorf("%s ran without a fence", j.Name)
				}
			}
			if want := map[bool]int{true: 2, false: 1}[c.setup != ""]; len(jobs) != want {
				t.Errorf("%d jobs ran, want %d (setup and checks)", len(jobs), want)
			}
			if after := filesOf(t, user); !slices.Equal(before, after) {
				t.Errorf("the user's home directory changed from %q to %q", before, after)
			}
			cache := home.Dir(f.home).RepositoryCache(f.task(id).Spec.GitDir)
			t.Logf("caches: %q", names(t, cache))
			if changed := f.git("show", "--stat", "--format=", got.Branch); !strings.Contains(changed, "made.txt") {
				t.Errorf("published: %s", changed)
			}
		})
	}
}

// read returns a file's text.
func (f *Fleet) read(path string) string {
	f.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestClaudeBuildsWithToolchainsInAFence lets the real program install a package of npm, test with it, and build and test with
// cargo, where that is installed, in one repository.
func TestClaudeBuildsWithToolchainsInAFence(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	node, rust := toolchains["Node"], toolchains["Rust"]
	r := newClaudeRig(t, "", nil)
	r.usesToolchains()
	r.fetches(node)
	r.project(node.files)
	checks, steps := "[checks]\nnode = \"npm test\"\n", []model.Step{useBash("npm ci"), useBash("npm test")}
	if _, err := exec.LookPath(rust.needs); err == nil {
		r.project(rust.files)
		checks, steps = checks+"rust = \"cargo test\"\n", append(steps, useBash("cargo build"), useBash("cargo test"))
	} else {
		t.Log("NOT TESTED: cargo is not installed")
	}
	r.write(r.repo+"/.gitignore", "node_modules\ntarget\n")
	r.configure("[workspace]\nsetup = \"npm ci\"\n"+checks+"[fence]\nmode = \"on\"\n", `args = ["--allowedTools", "Bash"]`)
	r.model.Add(append(steps, useBash("echo made > made.txt && git add -A && git commit -qm made"), model.Text("All of it works."))...)
	id := r.queue("build all", "Build and test everything.")
	r.within(patienceBuild, "the task rests", func() bool { return taskRests(r.task(id)) })
	got := r.becomes(id, event.Done)
	last := r.model.Requests()[len(r.model.Requests())-1]
	for _, m := range last.Messages {
		for _, result := range m.ToolResults {
			if result.IsError {
				t.Errorf("a command of the agent failed: %s", result.Text)
			}
		}
	}
	if got.Agent.Fenced == nil {
		t.Error("the agent ran without a fence")
	}
	if log := r.git("log", "--format=%s", "main.."+got.Branch); log != "made" {
		t.Errorf("the branch has the commits %q, want the agent's own", log)
	}
}
