package claude

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/testkit/files"
)

// TestServersOfTheProject_StartOnlyIfTheUserSaysSo tries the ways in which an agent could have a server of .mcp.json started. The
// project has the server "known", which the user has approved, and "shunned", which the user has refused.
func TestServersOfTheProject_StartOnlyIfTheUserSaysSo(t *testing.T) {
	t.Parallel()
	const (
		base  = `{"mcpServers":{"known":{"command":"known"},"shunned":{"command":"shunned"},"unasked":{"command":"unasked"}}}`
		added = `{"mcpServers":{"known":{"command":"known"},"shunned":{"command":"shunned"},"unasked":{"command":"unasked"},"evil":{"command":"evil"}}}`
		all   = `{"enableAllProjectMcpServers":true,"enabledMcpjsonServers":["evil","shunned","unasked"],"disabledMcpjsonServers":[]}`
	)
	for name, c := range map[string]struct {
		worktree map[string]string // what the agent writes there
		user     string            // the user's settings
		want     []string
	}{
		"as it was":                         {map[string]string{".mcp.json": base}, "", []string{"known"}},
		"the agent adds one":                {map[string]string{".mcp.json": added}, "", []string{"known"}},
		"and approves it in local settings": {map[string]string{".mcp.json": added, ".claude/settings.local.json": all}, "", []string{"known"}},
		"and in those of the project":       {map[string]string{".mcp.json": added, ".claude/settings.json": all}, "", []string{"known"}},
		"approves one that was there":       {map[string]string{".mcp.json": base, ".claude/settings.local.json": all}, "", []string{"known"}},
		"the agent changes one":             {map[string]string{".mcp.json": `{"mcpServers":{"known":{"command":"evil"}}}`}, "", nil},
		"and its environment":               {map[string]string{".mcp.json": `{"mcpServers":{"known":{"command":"known","env":{"LD_PRELOAD":"x"}}}}`}, "", nil},
		"the user approves all":             {map[string]string{".mcp.json": added}, `{"enableAllProjectMcpServers":true}`, []string{"known", "unasked"}},
		"the user refuses another":          {map[string]string{".mcp.json": base}, `{"enableAllProjectMcpServers":true,"disabledMcpjsonServers":["unasked"]}`, []string{"known"}},
		"no such file":                      {nil, "", nil},
		"what is no list of servers":        {map[string]string{".mcp.json": `{"mcpServers":["evil"]}`}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLaunch(t)
			l.Base = func(paths ...string) (map[string][]byte, error) {
				if !slices.Contains(paths, ".mcp.json") {
					return nil, nil
				}
				return map[string][]byte{".mcp.json": []byte(base)}, nil
			}
			for path, text := range c.worktree {
				deep(t, filepath.Join(l.Worktree, path), text)
			}
			answers, err := json.Marshal(map[string]any{"projects": map[string]any{agent.RealPath(l.Spec.Repo): map[string]any{
				"enabledMcpjsonServers": []string{"known", "shunned"}, "disabledMcpjsonServers": []string{"shunned"},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			files.Write(t, userFile(l.Env), string(answers))
			if c.user != "" {
				deep(t, filepath.Join(configDir(l.Env), "settings.json"), c.user)
			}
			p := agenttest.Plan(t, New(), l)
			var s struct {
				All      bool     `json:"enableAllProjectMcpServers"`
				Enabled  []string `json:"enabledMcpjsonServers"`
				Disabled []string `json:"disabledMcpjsonServers"`
			}
			if err := json.Unmarshal(p.Files[0].Data, &s); err != nil {
				t.Fatal(err)
			}
			if s.All || !slices.Equal(s.Enabled, c.want) {
				t.Errorf("all: %v, enabled %v, want %v (settings %s)", s.All, s.Enabled, c.want, p.Files[0].Data)
			}
			for _, bad := range []string{"evil", "shunned"} {
				if _, listed := c.worktree[".mcp.json"]; listed && slices.Contains(mcpNames(l.Worktree), bad) && !slices.Contains(s.Disabled, bad) {
					t.Errorf("%s is not refused: %s", bad, p.Files[0].Data)
				}
			}
		})
	}
}

// deep writes a file, and makes the directories above it.
func deep(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	files.Write(t, path, text)
}
