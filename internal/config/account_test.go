package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
)

// parseUser reads the text of a user's file over the defaults.
func parseUser(text string) (Config, error) {
	d := newDraft(Default())
	if err := d.lay("config.toml", userScope, []byte(text)); err != nil {
		return Config{}, err
	}
	if err := d.finish(); err != nil {
		return Config{}, err
	}
	return d.config(), nil
}

const twoAccounts = `
[agents.fast]
kind = "claude"
[accounts.claude]
[accounts.work]
agent = "claude"
env = { CLAUDE_CONFIG_DIR = "~/.claude-work" }
env_from = { ANTHROPIC_API_KEY = "WORK_KEY" }
max_agents = 2
spread = "1m"
prefer_below = 70
[accounts.work.budget]
cost_usd = 40
soft = 1
hard = true
[accounts.quick]
agent = "fast"
`

func TestAccounts_AreReadInTheirOrder(t *testing.T) {
	t.Parallel()
	c, err := parseUser(twoAccounts)
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]string{}
	want := []Account{
		{Name: "claude", Agent: "claude", Env: none, EnvFrom: none, Spread: 10 * time.Second, PreferBelow: 90, Budget: event.SharedBudget{Soft: 0.8}},
		{
			Name: "work", Budget: event.SharedBudget{CostUSD: 40, Soft: 1, Hard: true}, Agent: "claude", Env: map[string]string{"CLAUDE_CONFIG_DIR": filepath.Join(home, ".claude-work")},
			EnvFrom: map[string]string{"ANTHROPIC_API_KEY": "WORK_KEY"}, MaxAgents: 2, Spread: time.Minute, PreferBelow: 70,
		},
		{Name: "quick", Agent: "fast", Env: none, EnvFrom: none, Spread: 10 * time.Second, PreferBelow: 90, Budget: event.SharedBudget{Soft: 0.8}},
	}
	if d := cmp.Diff(want, c.Accounts); d != "" {
		t.Errorf("accounts (-want +got):\n%s", d)
	}
	for agent, want := range map[string]string{"claude": "claude work", "fast": "quick", "codex": ""} {
		a, err := c.Agent(agent)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, account := range c.AccountsOf(a) {
			names = append(names, account.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("accounts of %s: %q, want %q", agent, got, want)
		}
	}
	if of := c.AccountsOf(Agent{Name: "mine", Kind: "claude"}); len(of) != 2 {
		t.Errorf("another agent of the kind may use %+v, want the two of its kind", of)
	}
}

func TestAccounts_ShowListsEachValueWithItsOrigin(t *testing.T) {
	t.Parallel()
	c, err := parseUser(twoAccounts)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]Row{}
	for _, r := range c.Show() {
		rows[r.Key] = r
	}
	for _, want := range []Row{
		{"accounts.work.max_agents", "2", "config.toml:9"},
		{"accounts.work.env_from.ANTHROPIC_API_KEY", `"WORK_KEY"`, "config.toml:8"},
		{"accounts.claude.agent", `"claude"`, "default"},
		{"accounts.claude.prefer_below", "90", "default"},
	} {
		if rows[want.Key] != want {
			t.Errorf("%+v, want %+v", rows[want.Key], want)
		}
	}
}

func TestAccounts_ErrorsNameFileAndKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, what, hint string }{
		{"[accounts.work]", "config.toml:1:2: account `work` has no `agent`", "one of "},
		{"[accounts.work]\nagent = 'clade'", "config.toml:1:2: accounts.work.agent: unknown agent \"clade\"", "claude"},
		{"[accounts.codex]\nagent = 'claude'", "config.toml:1:2: account `codex` is for agent \"claude\"", "another name"},
		{"[accounts.w]\nagent = 'claude'\nenv = { A = 'x' }\nenv_from = { A = 'B' }", "account `w` has A in `env` and in `env_from`", "Remove"},
		{"[accounts.w]\nagent = 'claude'\nenv = { MY_TOKEN = 'x' }", "config.toml:3:9: accounts.w.env.MY_TOKEN looks like a secret", "env_from"},
		{"[accounts.w]\nagent = 'claude'\nenv_from = { A = '1B' }", "config.toml:3:14: accounts.w.env_from.A names \"1B\"", ""},
		{"[accounts.w]\nagent = 'claude'\nenv_from = ['A']", "accounts.w.env_from must be a table, not a list", ""},
		{"[accounts.w]\nagent = 'claude'\nenv_from = { MUSTER_HOME = 'B' }", "MUSTER_HOME, which muster sets itself", ""},
		{"[accounts.w]\nmax_agents = -1", "config.toml:2:1: accounts.w.max_agents is -1", ""},
		{"[accounts.w]\nspread = '10ms'", "accounts.w.spread is \"10ms\", and must be at least 1s", ""},
		{"[accounts.w]\nprefer_below = 101", "accounts.w.prefer_below is 101, and must be from 1 to 100", ""},
		{"[accounts.w]\nprefer = 1", "unknown key `prefer` in [accounts.w]", "prefer_below"},
		{"[accounts.'a b']\nagent = 'claude'", "bad name \"a b\" below [accounts]", ""},
	} {
		_, err := parseUser(c.text)
		wantFault(t, c.text, err, c.what, c.hint)
	}
	_, err := parseProject("muster.toml", []byte("[accounts.work]\nagent = 'claude'"))
	wantFault(t, "a project's file", err, "muster.toml:1:2: [accounts] does not belong in a project's muster.toml", "config.toml")
}

// wantFault checks an error of a configuration file.
func wantFault(t *testing.T, of string, err error, what, hint string) {
	t.Helper()
	if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), what) || !strings.Contains(fault.HintOf(err), hint) || fault.HintOf(err) == "" {
		t.Errorf("%s:\n%v, hint %q\nwant %q, hint %q", of, err, fault.HintOf(err), what, hint)
	}
}
