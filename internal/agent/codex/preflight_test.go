package codex

import (
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/testkit/files"
)

func TestCheckRefusesWhatWouldStopALaunch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(t *testing.T, p *agent.Preflight, root string)
		hint   string
	}{
		"nothing":    {func(*testing.T, *agent.Preflight, string) {}, ""},
		"no program": {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Command = []string{"codex-that-is-missing"} }, "npm install -g @openai/codex"},
		"another program": {func(t *testing.T, _ *agent.Preflight, root string) {
			files.Script(t, root, "codex", "echo something 9.9.9")
		}, "npm install -g @openai/codex"},
		"an old program": {func(t *testing.T, _ *agent.Preflight, root string) {
			files.Script(t, root, "codex", "echo codex-cli 0.170.9")
		}, "npm install -g @openai/codex"},
		"no login": {func(t *testing.T, _ *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "auth.json"), nil)
		}, "codex login"},
		"a variable is no login": {func(t *testing.T, p *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "auth.json"), nil)
			p.Env = append(p.Env, "CODEX_API_KEY=k", "OPENAI_API_KEY=k")
		}, "codex login"},
		"a login in a keyring": {func(t *testing.T, p *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "auth.json"), nil)
			write(t, filepath.Join(root, ".codex", "config.toml"), []byte("cli_auth_credentials_store = \"keyring\"\n[projects.\""+p.Spec.Repo+"\"]\ntrust_level = \"trusted\"\n"))
		}, ""},
		"a login in a fence": {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Fence = &event.Fence{} }, "--fence off"},
		"no trust": {func(t *testing.T, _ *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "config.toml"), nil)
		}, "trust = \"sandboxed\""},
		"sandboxed": {func(t *testing.T, p *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "config.toml"), nil)
			p.Spec.Trust = "sandboxed"
		}, ""},
		"no configuration": {func(t *testing.T, _ *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "config.toml"), []byte("= no TOML"))
		}, "config.toml"},
		"hooks are off": {func(t *testing.T, _ *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "config.toml"), []byte("[features]\nhooks = false\n"))
		}, "hooks = false"},
		"a key that is missing": {func(t *testing.T, _ *agent.Preflight, root string) {
			write(t, filepath.Join(root, ".codex", "config.toml"), []byte("model_provider = \"mine\"\n[model_providers.mine]\nenv_key = \"MY_KEY\"\n"))
		}, "MY_KEY"},
		"an argument of muster's own": {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Args = []string{"-c", "hooks.Stop=[]"} }, "Remove hooks"},
		"joined to a short option":    {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Args = []string{"-chooks.Stop=[]"} }, "Remove hooks"},
		"joined by a sign":            {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Args = []string{"-c=features.hooks=false"} }, "Remove features.hooks"},
		"a joined directory":          {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Args = []string{"-C/tmp"} }, "Remove -C"},
		"the daemon":                  {func(_ *testing.T, p *agent.Preflight, _ string) { p.Spec.Args = []string{"--remote=unix://"} }, "Remove --remote"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := setUpLaunch(t)
			p := agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home}
			c.change(t, &p, agenttest.Root(l))
			err := New().Check(t.Context(), p)
			if (err == nil) != (c.hint == "") || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (%s), want a hint with %q", err, fault.HintOf(err), c.hint)
			}
		})
	}
}

func TestPlanInAFenceHasNoSandboxOfTheAgentsOwn(t *testing.T) {
	t.Parallel()
	l := setUpLaunch(t)
	l.Spec.Args = []string{"-s", "read-only", "--sandbox=read-only", "-sread-only", "-s=read-only", "-a", "never"}
	l.Spec.Fence = &event.Fence{}
	argv := strings.Join(agenttest.Plan(t, New(), l).Argv, " ")
	if strings.Count(argv, "danger-full-access") != 1 || strings.Contains(argv, "read-only") || !strings.Contains(argv, "-a never") {
		t.Errorf("arguments %s", argv)
	}
}

func TestSeedLeavesProgramsOfTheUserBehind(t *testing.T) {
	t.Parallel()
	l := setUpLaunch(t)
	config := "model = \"m\"\nnotify = [\"secret-program\"]\n[mcp_servers.x]\ncommand = \"secret-server\"\n[[hooks.Stop]]\nhooks = [{type=\"command\",command=\"secret-hook\"}]\n" +
		"[projects.\"" + l.Spec.Repo + "\"]\ntrust_level = \"trusted\"\n[projects.\"/another\"]\ntrust_level = \"trusted\"\n"
	write(t, filepath.Join(configDir(l.Env), "config.toml"), []byte(config))
	seeded, err := New().(agent.Seeder).Seed(l, l.Env)
	if err != nil || len(seeded) != 1 {
		t.Fatalf("seeded %+v, %v", seeded, err)
	}
	got := string(seeded[0].Data)
	if strings.Contains(got, "secret") || strings.Contains(got, "another") || !strings.Contains(got, l.Spec.Repo) || !strings.Contains(got, "model = 'm'") {
		t.Errorf("seeded:\n%s", got)
	}
}
