package opencode

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
)

// withBase returns a launch whose task began with some files and whose worktree has others.
func withBase(t *testing.T, base, now map[string]string) agent.Launch {
	t.Helper()
	l := newLaunch(t)
	l.Base = func(...string) (map[string][]byte, error) {
		out := map[string][]byte{}
		for name, text := range base {
			out[name] = []byte(text)
		}
		return out, nil
	}
	for name, text := range now {
		writeFile(t, filepath.Join(l.Worktree, name), text)
	}
	return l
}

// configOf returns the configuration that a plan hands over.
func configOf(t *testing.T, p agent.Plan) map[string]any {
	t.Helper()
	content, _ := environ.Lookup(p.Env, contentVariable)
	var c map[string]any
	if err := json.Unmarshal([]byte(content), &c); err != nil {
		t.Fatalf("%v: %s", err, content)
	}
	return c
}

func TestOpenCodeIsStartedWithTheConfigurationOfItsBase(t *testing.T) {
	t.Parallel()
	base := map[string]string{
		"opencode.json": `{"permission":{"bash":{"*":"ask"}},"instructions":["rules.md"]}`, ".opencode/opencode.jsonc": `{"permission":{"edit":"ask"},}`,
		".opencode/agent/a.md": "a", ".opencode/package.json": "{}",
	}
	same := withBase(t, base, base)
	// The agent installs its package for plugins there.
	writeFile(t, filepath.Join(same.Worktree, ".opencode/node_modules/x/index.js"), "x")
	writeFile(t, filepath.Join(same.Worktree, ".opencode/package.json"), `{"dependencies":{}}`)
	p := agenttest.Plan(t, New(), same)
	if _, ok := environ.Lookup(p.Env, noProjectVariable); ok || configOf(t, p)["permission"] != nil {
		t.Errorf("unchanged: %v", p.Env)
	}
	for name, now := range map[string]map[string]string{
		"settings": {"opencode.json": `{"permission":"allow"}`}, "another file": {"opencode.jsonc": `{"permission":"allow"}`},
		"a plugin": {".opencode/plugin/p.js": "x"}, "a subagent": {".opencode/agent/a.md": "b"}, "a tool": {".opencode/tool/t.ts": "x"},
	} {
		all := map[string]string{"AGENTS.md": "words"}
		for _, files := range []map[string]string{base, now} {
			for name, text := range files {
				all[name] = text
			}
		}
		l := withBase(t, base, all)
		p := agenttest.Plan(t, New(), l)
		if environ.Get(p.Env, noProjectVariable) != "1" || environ.Get(p.Env, dirVariable) != filepath.Join(l.Dirs().RO(), frozenDir) {
			t.Errorf("%s: the worktree's configuration is read: %v", name, p.Env)
		}
		c := configOf(t, p)
		permission, _ := c["permission"].(map[string]any)
		bash, _ := permission["bash"].(map[string]any)
		instructions, _ := c["instructions"].([]any)
		if bash["*"] != "ask" || permission["edit"] != "ask" || len(instructions) != 3 || instructions[2] != filepath.Join(l.Worktree, "AGENTS.md") {
			t.Errorf("%s: configuration %v", name, c)
		}
		kept := slices.ContainsFunc(p.Files, func(f agent.File) bool { return f.Path == frozenDir+"/agent/a.md" && string(f.Data) == "a" })
		if foreign := slices.ContainsFunc(p.Files, func(f agent.File) bool { return strings.HasSuffix(f.Path, "p.js") || strings.HasSuffix(f.Path, "t.ts") }); !kept || foreign {
			t.Errorf("%s: files %v", name, p.Files)
		}
	}
	l := withBase(t, base, nil)
	l.Env = append(l.Env, dirVariable+"=/mine")
	if _, err := New().Plan(l); fault.CodeOf(err) != fault.Conflict || !strings.Contains(fault.HintOf(err), dirVariable) {
		t.Errorf("a directory of the user: %v", err)
	}
}

func TestPlanInAFencePutsTheShellAheadOfCommandsAndServers(t *testing.T) {
	t.Parallel()
	base := map[string]string{"opencode.json": `{"mcp":{"m":{"type":"local","command":["srv","a b"]},"r":{"type":"remote","url":"http://x"}}}`}
	l := withBase(t, base, base)
	l.Env = append(l.Env, "SHELL=/bin/bash", "OTHER_API_KEY=k", "PLAIN=p")
	writeFile(t, filepath.Join(agenttest.Root(l), ".config/opencode/opencode.json"), `{"provider":{"x":{"options":{"apiKey":"{env:ODD_TOKEN}"}}}}`)
	if p := agenttest.Plan(t, New(), l); p.Shell != nil || configOf(t, p)["shell"] != nil {
		t.Errorf("without a fence: %v", p.Shell)
	}
	if !fence.Nests {
		t.Skip("NOT TESTED: fences do not nest here")
	}
	l.Spec.Fence = &event.Fence{}
	p := agenttest.Plan(t, New(), l)
	if p.Shell == nil {
		t.Fatal("commands have no fence of their own")
	}
	program := filepath.Join(l.Dirs().RO(), p.Shell.Path)
	c := configOf(t, p)
	servers, _ := c["mcp"].(map[string]any)
	m, _ := servers["m"].(map[string]any)
	words, _ := m["command"].([]any)
	if c["shell"] != program || len(servers) != 1 || len(words) != 3 || words[0] != program || words[1] != "-c" || words[2] != "exec srv 'a b'" {
		t.Errorf("configuration %v", c)
	}
	for _, name := range []string{"OPENAI_API_KEY", "OTHER_API_KEY", "ODD_TOKEN", contentVariable} {
		if !slices.Contains(p.Shell.Drop, name) {
			t.Errorf("%s is kept: %v", name, p.Shell.Drop)
		}
	}
	if p.Shell.Program != "/bin/bash" || slices.Contains(p.Shell.Drop, "PLAIN") {
		t.Errorf("shell %+v", p.Shell)
	}
}
