package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInitFindsTheCommandsOfAProject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		files  map[string]string
		checks []string
		setup  string
		note   string
	}{
		{"nothing", nil, nil, "", "no build or test commands"},
		{
			"go",
			map[string]string{"go.mod": "module x"},
			[]string{"build=go build ./... edit", "test=go test ./...", "vet=go vet ./..."},
			"", "go.mod",
		},
		{
			"go with linter and make",
			map[string]string{
				"go.mod": "module x", ".golangci.yml": "", "Makefile": ".PHONY: test\nTEST := x\ntest lint: a\n\tgo test\ncheck:\n\techo\n",
			},
			[]string{"build=go build ./... edit", "test=go test ./...", "lint=golangci-lint run", "check=make check"},
			"", "Makefile: test, lint, check",
		},
		{
			"npm",
			map[string]string{"package.json": `{"scripts":{"build":"vite","test":"echo \"Error: no test specified\"","lint":"eslint"}}`, "package-lock.json": ""},
			[]string{"build=npm run build", "lint=npm run lint"},
			"npm ci", "package.json (npm): build, lint",
		},
		{
			"pnpm and typescript",
			map[string]string{
				"package.json": `{"scripts":{"test":"vitest"},"devDependencies":{"typescript":"5"}}`, "pnpm-lock.yaml": "", "tsconfig.json": "{}",
			},
			[]string{"test=pnpm run test", "typecheck=node_modules/.bin/tsc --noEmit edit"},
			"pnpm install --frozen-lockfile", "pnpm",
		},
		{"broken package.json", map[string]string{"package.json": "{"}, nil, "", "not read"},
		{"rust", map[string]string{"Cargo.toml": ""}, []string{"build=cargo check --all-targets edit", "test=cargo test"}, "", "cargo"},
		{
			"python",
			map[string]string{"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n", "uv.lock": "", ".env": ""},
			[]string{"test=uv run pytest", "lint=uv run ruff check ."},
			"uv sync --frozen", ".env",
		},
		{
			"go and node",
			map[string]string{"go.mod": "", "package.json": `{"scripts":{"build":"x"}}`, "yarn.lock": ""},
			[]string{"build=go build ./... edit", "test=go test ./...", "vet=go vet ./...", "build-node=yarn run build"},
			"yarn install --frozen-lockfile", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range c.files {
				write(t, filepath.Join(dir, name), text)
			}
			content, notes := Init(dir)
			conf, err := parseProject("muster.toml", []byte(content))
			if err != nil {
				t.Fatalf("%v in\n%s", err, content)
			}
			var got []string
			for _, check := range conf.Checks {
				s := check.Name + "=" + check.Run
				if check.OnEdit {
					s += " edit"
				}
				got = append(got, s)
			}
			if d := cmp.Diff(c.checks, got); d != "" {
				t.Errorf("checks (-want +got):\n%s", d)
			}
			if conf.Workspace.Setup != c.setup || len(conf.Workspace.Copy) != 0 {
				t.Errorf("workspace %+v, want setup %q", conf.Workspace, c.setup)
			}
			if all := strings.Join(notes, "\n"); !strings.Contains(all, c.note) {
				t.Errorf("notes %q lack %q", all, c.note)
			}
			if d := cmp.Diff([]string{"--permission-mode", "acceptEdits"}, conf.Agents["claude"].Args); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestInitCopesWithADirectoryInPlaceOfAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "package.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if content, _ := Init(dir); !strings.Contains(content, "[checks]") {
		t.Error(content)
	}
}
