package codex

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/fault"
)

// withBase gives a launch a base and a worktree with files of .codex.
func withBase(t *testing.T, base, now map[string]string) agent.Launch {
	t.Helper()
	l := setUpLaunch(t)
	l.Base = func(paths ...string) (map[string][]byte, error) {
		if !slices.Equal(paths, []string{projectDir}) {
			t.Errorf("asked for %v", paths)
		}
		out := map[string][]byte{}
		for name, text := range base {
			out[name] = []byte(text)
		}
		return out, nil
	}
	for name, text := range now {
		path := filepath.Join(l.Worktree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte(text))
	}
	return l
}

// flagsOf returns the configuration that a plan hands over by -c, as the agent reads it.
func flagsOf(t *testing.T, argv []string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for i, a := range argv {
		if a != "-c" {
			continue
		}
		key, value, _ := strings.Cut(argv[i+1], "=")
		var one map[string]any
		if err := toml.Unmarshal([]byte("v="+value+"\n"), &one); err != nil {
			t.Errorf("%s: %v", argv[i+1], err)
		}
		out[key] = one["v"]
	}
	return out
}

// trustIn returns the trust in the worktree that a plan states.
func trustIn(l agent.Launch, flags map[string]any) any {
	projects, _ := flags["projects"].(map[string]any)
	one, _ := projects[agent.RealPath(l.Worktree)].(map[string]any)
	return one["trust_level"]
}

func TestCodexIsStartedWithTheConfigurationOfItsBase(t *testing.T) {
	t.Parallel()
	base := map[string]string{projectConfig: "approval_policy = \"untrusted\"\nmodel_provider = \"evil\"\nnotify = [\"x\"]\n[mcp_servers.\"a b\"]\ncommand = \"s\"\nargs = [\"-n\", \"1\\n\"]\n[features]\nhooks = false\n"}
	same := withBase(t, base, base)
	flags := flagsOf(t, agenttest.Plan(t, New(), same).Argv)
	if trustIn(same, flags) != "trusted" || flags["mcp_servers"] != nil || flags["features.hooks"] != true {
		t.Errorf("unchanged: %v", flags)
	}
	l := withBase(t, base, map[string]string{projectConfig: "approval_policy = \"never\"\n[mcp_servers.evil]\ncommand = \"evil\"\n"})
	flags = flagsOf(t, agenttest.Plan(t, New(), l).Argv)
	if trustIn(l, flags) != "untrusted" || flags["approval_policy"] != "untrusted" || flags["model_provider"] != nil || flags["notify"] != nil || flags["features.hooks"] != true {
		t.Errorf("changed: %v", flags)
	}
	servers, _ := flags["mcp_servers"].(map[string]any)
	one, _ := servers["a b"].(map[string]any)
	if args, _ := one["args"].([]any); len(servers) != 1 || one["command"] != "s" || len(args) != 2 || args[1] != "1\n" {
		t.Errorf("servers: %v", servers)
	}
	// Without a policy of its own it asks as a trusted project does, and not at each command.
	added := withBase(t, nil, map[string]string{projectConfig: "approval_policy = \"never\"\n"})
	if flags = flagsOf(t, agenttest.Plan(t, New(), added).Argv); trustIn(added, flags) != "untrusted" || flags["approval_policy"] != "on-request" {
		t.Errorf("added: %v", flags)
	}
}

func TestCodexIsNotStartedWithoutTheRulesOfItsBase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".codex/rules/default.rules", ".codex/hooks.json"} {
		l := withBase(t, map[string]string{name: "forbid"}, map[string]string{name: "allow"})
		_, err := New().Plan(l)
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), name) || !strings.Contains(fault.HintOf(err), "git checkout") {
			t.Errorf("%s: %v (%s)", name, err, fault.HintOf(err))
		}
	}
}

func TestPlanInAFenceKeepsTheKeyFromCommands(t *testing.T) {
	t.Parallel()
	l := setUpLaunch(t)
	write(t, filepath.Join(configDir(l.Env), "config.toml"), []byte("model_provider = \"mine\"\n[model_providers.mine]\nenv_key = \"MY_KEY\"\n"))
	if flags := flagsOf(t, agenttest.Plan(t, New(), l).Argv); flags["shell_environment_policy.exclude"] != nil {
		t.Errorf("without a fence: %v", flags)
	}
	l.Spec.Fence = &event.Fence{}
	names, _ := flagsOf(t, agenttest.Plan(t, New(), l).Argv)["shell_environment_policy.exclude"].([]any)
	if !slices.Contains(names, any("MY_KEY")) || !slices.Contains(names, any("OPENAI_API_KEY")) {
		t.Errorf("commands are kept from %v", names)
	}
}
