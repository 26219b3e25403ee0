package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
)

// contract is the example of the design, with the remaining keys added.
const contract = `
[task]
agent = "claude"
base = "main"                 # default: the branch checked out
publish = "branch"            # none | branch | push | pr | merge
timeout = "3h"
attempts = 3                  # generations that ended by the agent's own fault
rounds = 5                    # check rounds
respawns = 7
priority = -2
keep = "2d"
wait_limit = "5m"
silence = "20m"
silence_in_tool = "2h"
[checks]
build = { run = "go build ./...", on = "edit" }
test = { run = "go test ./...", timeout = "20m" }
lint = "golangci-lint run"
[workspace]
setup = "npm ci"
copy = [".env", "a//b/"]
[agents.claude]
args = ["--permission-mode", "acceptEdits"]
env = { ANTHROPIC_BASE_URL = "…" }
env_from = ["ANTHROPIC_API_KEY"]
[agents.mine]
kind = "command"
command = ["./agent.sh", "{prompt_file}"]
`

// parseProject reads the text of a project's file over the defaults.
func parseProject(name string, data []byte) (Config, error) {
	d := newDraft(Default())
	if err := d.lay(name, projectScope, data); err != nil {
		return Config{}, err
	}
	if err := d.finish(); err != nil {
		return Config{}, err
	}
	return d.config(), nil
}

func TestParse_ReadsTheExampleOfTheContract(t *testing.T) {
	t.Parallel()
	c, err := parseProject("muster.toml", []byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	want := Task{
		Agent: "claude", Base: "main", Publish: event.PublishBranch, Timeout: 3 * time.Hour, Attempts: 3, Rounds: 5,
		Respawns: 7, Priority: -2, Keep: 48 * time.Hour, WaitLimit: 5 * time.Minute,
		Silence: 20 * time.Minute, SilenceInTool: 2 * time.Hour,
		CILimit: 6 * time.Hour,
	}
	if d := cmp.Diff(want, c.Task); d != "" {
		t.Errorf("task (-want +got):\n%s", d)
	}
	checks := []event.Check{
		{Name: "build", Run: "go build ./...", Timeout: defaultCheckTimeout, OnEdit: true},
		{Name: "test", Run: "go test ./...", Timeout: 20 * time.Minute},
		{Name: "lint", Run: "golangci-lint run", Timeout: defaultCheckTimeout},
	}
	if d := cmp.Diff(checks, c.Checks); d != "" {
		t.Errorf("checks (-want +got):\n%s", d)
	}
	if d := cmp.Diff(Workspace{Setup: "npm ci", Copy: []string{".env", "a/b"}}, c.Workspace); d != "" {
		t.Errorf("workspace (-want +got):\n%s", d)
	}
	agents := map[string]Agent{
		"claude": {
			Name: "claude", Kind: "claude", Args: []string{"--permission-mode", "acceptEdits"},
			Env: map[string]string{"ANTHROPIC_BASE_URL": "…"}, EnvFrom: []string{"ANTHROPIC_API_KEY"},
		},
		"mine": {Name: "mine", Kind: "command", Command: []string{"./agent.sh", "{prompt_file}"}, Env: map[string]string{}},
	}
	if d := cmp.Diff(agents, c.Agents, cmp.Comparer(func(a, b map[string]string) bool { return cmp.Equal(len(a), len(b)) })); d != "" {
		t.Errorf("agents (-want +got):\n%s", d)
	}
	for key, origin := range map[string]string{
		"task.agent": "muster.toml:3", "task.keep": "muster.toml:11", "checks.lint.run": "muster.toml:18",
		"checks.test.timeout": "muster.toml:17", "checks.lint.timeout": "default", "fleet.wait": "default",
		"agents.claude.kind": "default", "agents.claude.env.ANTHROPIC_BASE_URL": "muster.toml:24",
	} {
		if c.Origin[key] != origin {
			t.Errorf("origin of %s = %q, want %q", key, c.Origin[key], origin)
		}
	}
}

func TestParse_LineEndsOfWindowsAreNewlines(t *testing.T) {
	t.Parallel()
	c, err := parseProject("muster.toml", []byte("\ufeff[checks]\r\ntest = \"\"\"\r\nset -e\r\ntrue\r\n\"\"\"\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Checks) != 1 || c.Checks[0].Run != "set -e\ntrue\n" {
		t.Errorf("checks %+v", c.Checks)
	}
}

func TestEveryFieldHasAKey(t *testing.T) {
	t.Parallel()
	fields := map[any]bool{}
	d := newDraft(Default())
	d.touch(projectScope, []string{"permission", "0"}, "muster.toml:1:1")
	for _, k := range keys() {
		if _, described := ofRecipe(strings.Split(k.path, ".")); !described { // package recipe reads those together
			fields[fmt.Sprintf("%p", d.field(k, "x"))] = true
		}
	}
	for _, v := range []any{&d.Task, d.check("x"), &d.Workspace, d.agent("x"), d.rule("0"), &d.Fleet} {
		s := reflect.ValueOf(v).Elem()
		for i := range s.NumField() {
			f := s.Field(i)
			if f.Kind() != reflect.Map {
				f = f.Addr()
			}
			if name := s.Type().Field(i).Name; name != "Name" && name != "Origin" && name != "Described" && name != "Recipe" && !fields[fmt.Sprintf("%p", f.Interface())] {
				t.Errorf("%s.%s has no key", s.Type(), name)
			}
		}
	}
}

func TestPermission_TheUsersDenialsComeFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user, project := filepath.Join(dir, UserFile), filepath.Join(dir, ProjectFile)
	write(t, user, "[[permission]]\ntool = 'run'\naction = 'ask'\nwait = '2m'\ndefault = 'deny'\n[[permission]]\ntool = 'run'\ncommand = 'git push*'\naction = 'deny'\nreason = 'no'\n")
	write(t, project, "[task]\nrounds = 2\n[[permission]]\ntool = 'run'\ncommand = 'git *'\naction = 'allow'\n")
	c, err := Load(user, project)
	if err != nil {
		t.Fatal(err)
	}
	want := []event.PermissionRule{
		{Tool: "run", Command: "git push*", Action: event.PermissionDeny, Reason: "no", Origin: user + ":6"},
		{Tool: "run", Command: "git *", Action: event.PermissionAllow, Origin: ProjectFile + ":3"},
		{Tool: "run", Action: event.PermissionAsk, Wait: 2 * time.Minute, Default: event.DefaultDeny, Origin: user + ":1"},
	}
	if d := cmp.Diff(want, c.Permission); d != "" {
		t.Error(d)
	}
	shown := map[string]string{}
	for _, r := range c.Show() {
		shown[r.Key] = r.Value + " " + r.Origin
	}
	if got := shown["permission.1.command"]; got != `"git *" `+ProjectFile+":3" {
		t.Errorf("show has %q", got)
	}
}

func TestPermission_ErrorsNameTheRule(t *testing.T) {
	t.Parallel()
	const rule = "[[permission]]\ntool = 'run'\naction = 'allow'\n"
	for text, want := range map[string]string{
		"[permission]\ntool = 'run'":                             "muster.toml:1:2: permission is a list of tables",
		"permission = [{tool = 'run'}]":                          "muster.toml:1:1: permission is a list of tables",
		"permission.tool = 'run'":                                "muster.toml:1:1: permission is a list of tables",
		"[permission.0]\ntool = 'run'":                           "muster.toml:1:2: permission is a list of tables",
		rule + "[[permission.x]]\ny = 1":                         "muster.toml:4:3: permission is a list of tables",
		rule + "[[permission]]\ntool = 'bash'\naction = 'allow'": "muster.toml:4:3: tool \"bash\" is unknown",
		rule + "[[permission]]\ntool = 'run'\nactoin = 'allow'":  "muster.toml:6:1: unknown key `actoin`",
		rule + "command = 'a && b'":                              "muster.toml:1:3: command \"a && b\" is not one simple command",
		rule + "wait = 'soon'":                                   "muster.toml:4:1: permission.0.wait is \"soon\"",
		strings.Repeat(rule, 101):                                "more than 100 checks, agents or rules",
	} {
		_, err := parseProject("muster.toml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text[:min(len(text), 80)], err, want)
		}
	}
}

func TestChecks_KeepTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	c, err := parseProject("muster.toml", []byte(`
checks.zeta = "z"
[checks.last]
timeout = "1m"
run = "l"
[task]
rounds = 2
[checks.alpha]
run = "a"
on = ["edit"]
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, check := range c.Checks {
		got = append(got, check.Name+"="+check.Run)
	}
	if d := cmp.Diff([]string{"zeta=z", "last=l", "alpha=a"}, got); d != "" {
		t.Error(d)
	}
	if !c.Checks[2].OnEdit || c.Checks[0].OnEdit {
		t.Errorf("on edit: %+v", c.Checks)
	}
}

func TestParse_ErrorsNamePlaceAndNextStep(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want, hint string }{
		{"typo", "[task]\nattempts = 3\n  rnds = 4", "muster.toml:3:3: unknown key `rnds` in [task]", "`rounds`"},
		{"swap", "[task]\nagetn = 'claude'", "2:1: unknown key `agetn` in [task]", "`agent`"},
		{"far off", "[task]\nzzz = 4", "2:1: unknown key `zzz` in [task]", "Keys of [task]: agent, base"},
		{"other table", "[workspace]\nrounds = 4", "2:1: unknown key `rounds` in [workspace]", "belongs below [task]"},
		{"top", "timeout = '3h'", "1:1: unknown key `timeout` outside", "[task]"},
		{"table", "[tasks]\nx = 1\ny = 2", "muster.toml:1:2: unknown table [tasks]", "`task`"},
		{"dotted", "tsak.agent = 'x'", "1:1: unknown key `agent` in [tsak]", "`task`"},
		{"two", "[task]\na = 1\nb = 2", "muster.toml:2:1: unknown key `a` in [task]\nmuster.toml:3:1: unknown key `b`", ""},
		{"inline", "[checks]\nx = { run = 'a', when = 'b' }", "muster.toml:2:18: unknown key `when` in [checks.x]", "run, on, timeout"},
		{"number", "[task]\nrounds = '4'", "2:1: task.rounds must be an integer, not a string", ""},
		{"negative", "[task]\nrounds = -4", "2:1: task.rounds is -4, and must be from 1 to", ""},
		{"huge", "[task]\nattempts = 99999999999", "must be from 1 to", ""},
		{"bare duration", "[task]\ntimeout = 3", "task.timeout must be a duration, a string such as", ""},
		{"bad duration", "[task]\ntimeout = '3 hours'", "task.timeout is \"3 hours\", which is not a duration", "90s"},
		{"negative duration", "[task]\nkeep = '-3h'", "task.keep is \"-3h\", and must be at least 0s", ""},
		{"zero duration", "[task]\ntimeout = '0s'", "must be at least 1s", ""},
		{"publish", "[task]\npublish = 'brunch'", "task.publish is \"brunch\", which is not one of", "`branch`"},
		{"agent", "[task]\nagent = 'cluade'", "muster.toml:2:1: task.agent: unknown agent \"cluade\"", "`claude`"},
		{"agent kind", "[agents.x]\nkind = 'claud'", "agents.x.kind is \"claud\"", "`claude`"},
		{"agent without kind", "[agents.x]\nmodel = 'm'", "1:2: agent `x` has no `kind`", "command"},
		{"agent without command", "[agents.x]\nkind = 'command'", "has no `command`", "agent.sh"},
		{"empty command", "[agents.x]\ncommand = []", "agents.x.command is empty", ""},
		{"command line", "[agents.x]\ncommand = './a b'", "agents.x.command must be a list of strings such as", ""},
		{"mixed list", "[agents.claude]\nargs = ['a', 1]", "agents.claude.args must be a list of strings, and holds an integer", ""},
		{"empty run", "[checks]\nx = ' '", "checks.x is empty", "remove the check"},
		{"no run", "[checks.x]\ntimeout = '1m'", "muster.toml:1:2: check `x` has no `run`", ""},
		{"empty check", "[checks]\nx = {}", "muster.toml:2:1: check `x` has no `run`", ""},
		{"check name", "[checks]\n'a b' = 'x'", "2:1: bad name \"a b\" below [checks]", "A-Z"},
		{"check dots", "[checks]\n'..' = 'x'", "bad name", ""},
		{"check dash", "[checks]\n-x = 'x'", "bad name", ""},
		{"long check name", "[checks]\n" + strings.Repeat("a", 65) + " = 'x'", "bad name", ""},
		{"check type", "[checks]\nx = 3", "checks.x must be a shell command, a string, not an integer", ""},
		{"check event", "[checks]\nx = { run = 'a', on = 'save' }", "checks.x.on is \"save\"", "edit"},
		{"check nul", "[checks]\nx = \"a\\u0000b\"", "NUL", ""},
		{"copy absolute", "[workspace]\ncopy = ['/etc/passwd']", "workspace.copy holds \"/etc/passwd\", which is absolute", "relative"},
		{"copy home", "[workspace]\ncopy = ['~/x']", "absolute", ""},
		{"copy up", "[workspace]\ncopy = ['a/../../b']", "leaves the checkout", ""},
		{"copy inner up", "[workspace]\ncopy = ['a/../b']", "leaves the checkout", ""},
		{"copy root", "[workspace]\ncopy = ['.']", "names no file", ""},
		{"copy git", "[workspace]\ncopy = ['.git/config']", "belongs to git", ""},
		{"fleet", "[fleet]\nmax_agents = 3", "muster.toml:1:2: [fleet] does not belong in a project's", "config.toml"},
		{"fleet dotted", "fleet.max_agents = 3", "[fleet] does not belong", ""},
		{"secret", "[agents.claude.env]\nANTHROPIC_API_KEY = 'sk-1'", "2:1: agents.claude.env.ANTHROPIC_API_KEY looks like a secret", "env_from = [\"ANTHROPIC_API_KEY\"]"},
		{"own variable", "[agents.claude.env]\nMUSTER_TASK = 't1'", "muster sets itself", ""},
		{"bad variable", "[agents.claude]\nenv_from = ['A B']", "no name of a variable", ""},
		{"both", "[agents.claude]\nenv_from = ['A']\nenv = { A = 'x' }", "in `env` and in `env_from`", ""},
		{"scalar table", "task = 3", "muster.toml:1:1: task must be a table, not an integer", "[task]"},
		{"table scalar", "[task.agent]\nx = 1", "1:2: task.agent must be a name, a string, not a table", ""},
		{"array of tables", "[[task]]\nagent = 'x'", "1:3: task is one table, not an array", "[task]"},
		{"array of checks", "[[checks]]\nname = 'x'", "array of tables", ""},
		{"twice", "[task]\nrounds = 1\nrounds = 2", "muster.toml:3:", ""},
		{"grammar", "[task]\nagent = claude", "muster.toml:2:9: ", "quoted"},
		{"unfinished", "[task", "muster.toml:1:", ""},
		{"encoding", "[task]\nbase = \"\xff\"", "muster.toml:2:9: not UTF-8", "UTF-8"},
		{"characters, not bytes", "[checks]\nx = { run = 'ä', nope = 1 }", "muster.toml:2:18: unknown key", ""},
		{"deep", "a = " + strings.Repeat("{b=", 50) + "1" + strings.Repeat("}", 50), "1:1: unknown table [a]", ""},
		{"large", strings.Repeat("#", maxFile+1), "larger than 64 KiB", ""},
		{"base flag", "[task]\nbase = '--upload-pack=x'", "looks like a flag", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseProject("muster.toml", []byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if !fault.Is(err, fault.Usage) {
				t.Errorf("code %s, want usage", fault.CodeOf(err))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q\nlacks %q", err, c.want)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, c.hint) || hint == "" {
				t.Errorf("hint %q lacks %q", hint, c.hint)
			}
		})
	}
}

func TestParse_CountsMistakesBeyondTen(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("[task]\n")
	for i := range 15 {
		b.WriteString("x" + strings.Repeat("y", i) + " = 1\n")
	}
	_, err := parseProject("muster.toml", []byte(b.String()))
	if err == nil || strings.Count(err.Error(), "\n") != maxComplaints || !strings.HasSuffix(err.Error(), "and 5 more") {
		t.Errorf("got %v", err)
	}
}

func TestParse_TakesLittleTimeForManyKeys(t *testing.T) {
	t.Parallel()
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ text, want string }{
		"checks": {"[checks]\n" + many(mostNamed+5, "c%d = 'true'\n"), "muster.toml:103:1: more than 100 checks"},
		"keys":   {"[checks]\n" + many(6000, "c%d='x'\n"), "more than 100 checks"},
		"inline": {"x = {" + many(6000, "c%d=1,") + "c=1}", "unknown table [x]"},
		"array":  {"x = [{" + many(6000, "c%d=1,") + "c=1}]", "unknown key `x`"},
		"tables": {many(6000, "[c%d]\n"), "unknown table [c0]"},
		"large":  {"[checks]\n" + many(50000, "c%d = 'true'\n"), "larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			took := cpuOf(t, func() {
				if _, err := parseProject("muster.toml", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v", err)
				}
			})
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestLoad_ProjectOverridesUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user, project := filepath.Join(dir, "config.toml"), filepath.Join(dir, "muster.toml")
	write(t, user, `
[task]
agent = "opus"
rounds = 9
[agents.opus]
kind = "claude"
model = "opus"
env = { A = "user", B = "user" }
[fleet]
max_agents = 4
max_checks = 2
min_free_memory = "2GiB"
min_free_disk = 1048576
wait = "3m"
tmux_conf = "/etc/tmux.conf"
`)
	write(t, project, "[task]\nrounds = 2\n[agents.opus.env]\nA = 'project'\n[checks]\ntest = 'true'\n")
	c, err := Load(user, project)
	if err != nil {
		t.Fatal(err)
	}
	if c.Task.Agent != "opus" || c.Task.Rounds != 2 || c.Task.WaitLimit != 3*time.Minute {
		t.Errorf("task: %+v", c.Task)
	}
	fleet := Fleet{MaxAgents: 4, MaxChecks: 2, MinFreeMemory: 2 << 30, MinFreeDisk: 1 << 20, Wait: 3 * time.Minute, TmuxConf: "/etc/tmux.conf"}
	if d := cmp.Diff(fleet, c.Fleet); d != "" {
		t.Errorf("fleet (-want +got):\n%s", d)
	}
	opus, err := c.Agent("opus")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"A": "project", "B": "user"}, opus.Env); d != "" || opus.Model != "opus" {
		t.Errorf("opus: %+v", opus)
	}
	if got, want := c.Origin["task.rounds"], "muster.toml:2"; got != want {
		t.Errorf("origin of rounds %q, want %q", got, want)
	}
	if got, want := c.Origin["task.agent"], user+":3"; got != want {
		t.Errorf("origin of agent %q, want %q", got, want)
	}
	rows := map[string]string{}
	for _, r := range c.Show() {
		rows[r.Key] = r.Value + " " + r.Origin
	}
	for key, want := range map[string]string{
		"task.rounds": "2 muster.toml:2", "fleet.min_free_memory": `"2GiB" ` + user + ":12", "checks.test.run": `"true" muster.toml:6`,
		"agents.opus.env.A": `"project" muster.toml:4`, "task.keep": `"24h" default`, "task.wait_limit": `"3m" ` + user + ":14",
	} {
		if rows[key] != want {
			t.Errorf("row %s = %q, want %q", key, rows[key], want)
		}
	}
}

func TestLoad_RejectsChecksInTheUsersFile(t *testing.T) {
	t.Parallel()
	user := filepath.Join(t.TempDir(), "config.toml")
	write(t, user, "[checks]\nx = 'true'\n")
	_, err := Load(user, "")
	if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), user+":1:2: [checks] does not belong") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_RejectsWhatIsNotARegularFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if c, err := Load(filepath.Join(dir, "none", "config.toml"), filepath.Join(dir, "muster.toml")); err != nil || c.Task.Rounds != 5 {
		t.Errorf("missing files: %v %+v", err, c.Task)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "large"), strings.Repeat("#", maxFile+1))
	for path, want := range map[string]string{
		dir: "a directory", filepath.Join(dir, "fifo"): "not a regular file", filepath.Join(dir, "link"): "a link to a file that does not exist",
		filepath.Join(dir, "large"): "larger than 64 KiB",
	} {
		if _, err := Load("", path); err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: got %v, want %q with a hint", path, err, want)
		}
	}
}

func TestAgent_BuiltInNeedsNoConfiguration(t *testing.T) {
	t.Parallel()
	for _, name := range kinds() {
		a, err := Default().Agent(name)
		if err != nil || a.Kind != name || a.Name != name {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	_, err := Default().Agent("sym")
	if !fault.Is(err, fault.Usage) || !strings.Contains(fault.HintOf(err), "`sim`") || !strings.Contains(fault.HintOf(err), "claude, codex, command, copilot, gemini, generic, opencode, qwen, sim") {
		t.Errorf("unknown agent: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestShow_PrintsAValidConfiguration(t *testing.T) {
	t.Parallel()
	c, err := parseProject("muster.toml", []byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range c.Show() {
		if !strings.HasPrefix(r.Key, "fleet.") && !strings.HasPrefix(r.Key, "fence.") && !strings.HasPrefix(r.Key, "budget.night.") && !strings.HasPrefix(r.Key, "notify.") { // a project may not say it all
			b.WriteString(r.Key + " = " + r.Value + "\n")
		}
	}
	again, err := parseProject("muster.toml", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	c.Origin, again.Origin = nil, nil
	if d := cmp.Diff(c, again, cmp.Comparer(func(a, b map[string]string) bool {
		return len(a) == len(b)
	})); d != "" {
		t.Errorf("(-first +again):\n%s", d)
	}
}

func TestLooksSecret(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"ANTHROPIC_API_KEY": true, "GITHUB_TOKEN": true, "APIKEY": true, "db_password": true, "CLIENT_SECRET": true,
		"AWS_SECRET_ACCESS_KEY": true, "AWS_ACCESS_KEY_ID": true, "CLAUDE_CODE_MAX_OUTPUT_TOKENS": false,
		"TOKENIZERS_PARALLELISM": false, "SSH_KEY_FILE": false, "KEYBOARD": false, "PATH": false, "API_KEY_HELPER_TTL_MS": false,
	} {
		if LooksSecret(name) != want {
			t.Errorf("LooksSecret(%s) = %v", name, !want)
		}
	}
}

func TestDefaultMaxAgents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mem   uint64
		cores int
		want  int
	}{{0, 8, 1}, {1 << 30, 8, 1}, {16 << 30, 8, 10}, {256 << 30, 8, 16}, {1 << 63, 0, 1}} {
		if got := DefaultMaxAgents(c.mem, c.cores); got != c.want {
			t.Errorf("DefaultMaxAgents(%d, %d) = %d, want %d", c.mem, c.cores, got, c.want)
		}
	}
}

func TestParseDurationAndSize(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{"90s": 90 * time.Second, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "0s": 0} {
		if d, ok := ParseDuration(s); !ok || d != want {
			t.Errorf("ParseDuration(%q) = %v, %v", s, d, ok)
		}
	}
	for _, s := range []string{"", "d", "1", "-1d", "1d-1h", "99999999d", "1d2d", "h"} {
		if d, ok := ParseDuration(s); ok {
			t.Errorf("ParseDuration(%q) = %v", s, d)
		}
	}
	for s, want := range map[string]int64{"0": 0, "5": 5, "512MiB": 512 << 20, "2G": 2 << 30, "1 KB": 1024} {
		if n, ok := ParseSize(s); !ok || n != want {
			t.Errorf("ParseSize(%q) = %v, %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "-1", "+1", "1.5GiB", "9999999T", "GiB", "1 X", "1BB"} {
		if n, ok := ParseSize(s); ok {
			t.Errorf("ParseSize(%q) = %v", s, n)
		}
	}
}

func FuzzParseProject(f *testing.F) {
	f.Add([]byte(contract))
	f.Add([]byte("[[task]]\n[task.agent]\n"))
	f.Add([]byte("checks.a.run = {b = {c = {d = {e = 1}}}}"))
	f.Add([]byte("\ufeff[checks]\n\"\" = 'x'\r\nx=1979-05-27\n"))
	f.Add([]byte("a = [[[[{b = 1}]]]]\n[a.b]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseProject("muster.toml", data)
		if err != nil {
			if !fault.Is(err, fault.Usage) || !strings.HasPrefix(err.Error(), "muster.toml:") {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		for _, check := range c.Checks {
			if check.Run == "" || !validName(check.Name) || check.Timeout <= 0 {
				t.Fatalf("check %+v", check)
			}
		}
		if _, err := c.Agent(c.Task.Agent); err != nil {
			t.Fatal(err)
		}
		c.Show()
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
