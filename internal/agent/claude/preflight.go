package claude

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/text"
)

// oldestVersion is the oldest version that this adapter accepts: the measured one.
var oldestVersion = [3]int{2, 1, 197}

var versionPattern = text.Pattern(`^(\d+)\.(\d+)\.(\d+)`)

// Check implements agent.Adapter. Each thing that it checks would open a dialog before the first hook, or disable the
// hooks, and the agent would wait there all night.
func (adapter) Check(ctx context.Context, p agent.Preflight) error {
	env := agent.FullEnv(p)
	var version [3]int
	for _, check := range []func() error{
		func() error { return checkArgs(p.Spec.Args) },
		func() error { return agent.CheckEnvFrom(p) },
		func() (err error) { version, err = checkVersion(ctx, p, env); return err },
		func() error { return checkRoot(p, env) },
		func() error { return checkOnboarding(p, env) },
		func() error { return checkLogin(p, env) },
		func() error { return checkSettings(p, env) },
		func() error { return checkEvents(ctx, p, env, version) },
		func() error { return checkTrust(p, env, version) },
		func() error { return checkImports(ctx, p, env) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkVersion returns the version of the program.
func checkVersion(ctx context.Context, p agent.Preflight, env []string) (version [3]int, err error) {
	program, err := findProgram(p.Spec, env)
	if err != nil {
		return version, err
	}
	res, err := run.Do(ctx, run.Cmd{
		Argv: append(program, "--version"), Dir: p.Spec.Repo, Env: environ.Overlay(env, "DISABLE_AUTOUPDATER=1"), Timeout: 20 * time.Second,
	})
	if err != nil {
		return version, fault.Wrap(fault.Conflict, err, "agent %s does not start", p.Spec.Agent).
			WithHint("Run: %s --version", program[0])
	}
	m := versionPattern().FindStringSubmatch(strings.TrimSpace(string(res.Stdout)))
	if m == nil {
		return version, fault.New(fault.Conflict, "agent %s: %s is not Claude Code: its version is %q", p.Spec.Agent, program[0], strings.TrimSpace(string(res.Stdout))).
			WithHint("Run: npm install -g @anthropic-ai/claude-code")
	}
	for i := range version {
		version[i], _ = strconv.Atoi(m[i+1])
	}
	if slices.Compare(version[:], oldestVersion[:]) < 0 {
		return version, fault.New(fault.Conflict, "agent %s: Claude Code %s is too old, muster needs %d.%d.%d or later",
			p.Spec.Agent, m[0], oldestVersion[0], oldestVersion[1], oldestVersion[2]).WithHint("Run: claude update")
	}
	return version, nil
}

// ownTrust is the version from which a trusted directory does not cover a git repository below it.
var ownTrust = [3]int{2, 1, 232}

// Bypasses implements agent.Bypasser.
func (adapter) Bypasses(s event.Spec) bool { return bypasses(s) }

// bypasses reports whether the agent is told to ask for no permission.
func bypasses(s event.Spec) bool { return chosenMode(s.Args) == modeBypass }

// checkRoot returns an error if the agent would refuse to skip permissions because it runs as root.
func checkRoot(p agent.Preflight, env []string) error {
	if sandbox, _ := environ.Lookup(env, "IS_SANDBOX"); os.Geteuid() != 0 || !bypasses(p.Spec) || sandbox == "1" {
		return nil
	}
	return fault.New(fault.Conflict, "agent %s: Claude Code does not bypass permissions as root", p.Spec.Agent).
		WithHint("Run muster as another user, or set IS_SANDBOX = \"1\" in [agents.%s.env] if this machine is a sandbox.", p.Spec.Agent)
}

func checkOnboarding(p agent.Preflight, env []string) error {
	u, err := readUser(env)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !u.HasCompletedOnboarding:
		return fault.New(fault.Conflict, "agent %s: Claude Code has not been set up for this user (%s)", p.Spec.Agent, userFile(env)).
			WithHint("Run: %s", setupCommand(p, env))
	case err != nil:
		return fault.Wrap(fault.Conflict, err, "agent %s: the configuration of Claude Code can't be read", p.Spec.Agent).
			WithHint("Run: %s", setupCommand(p, env))
	}
	key, ok := environ.Lookup(env, "ANTHROPIC_API_KEY")
	if !ok || key == "" {
		return nil
	}
	const shown = 20 // the agent remembers keys by their last characters
	if !slices.Contains(u.CustomAPIKeyResponses.Approved, key[max(0, len(key)-shown):]) {
		return fault.New(fault.Conflict, "agent %s: Claude Code has not been told to use the ANTHROPIC_API_KEY of this fleet", p.Spec.Agent).
			WithHint("Run, with that key in the environment, and answer Yes: %s", setupCommand(p, env))
	}
	return nil
}

// checkLogin returns an error if a fenced agent would have no login: the user's own, in a file or a keychain, is outside of
// its fence.
func checkLogin(p agent.Preflight, env []string) error {
	if p.Spec.Fence == nil {
		return nil
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if value != "" && (slices.Contains(logins, name) || strings.HasPrefix(name, "CLAUDE_CODE_USE_")) {
			return nil
		}
	}
	return fault.New(fault.Conflict, "agent %s: a fenced Claude Code cannot use the login of %s", p.Spec.Agent, configDir(env)).
		WithHint("Run: claude setup-token, set CLAUDE_CODE_OAUTH_TOKEN to what it prints, and add it to env_from of [agents.%s]. Or dispatch with --fence off.", p.Spec.Agent)
}

// logins are the variables with which the agent logs in without a file.
var logins = []string{"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"}

// checkSettings returns an error for a settings file that would open a dialog because it is not JSON, and for an
// administrator's settings that forbid hooks.
func checkSettings(p agent.Preflight, env []string) error {
	for _, path := range settingsLayers(env, p.Spec.Repo) {
		if _, err := readLayer(path); err != nil {
			return fault.Wrap(fault.Conflict, err, "agent %s: Claude Code would stop at its settings", p.Spec.Agent).
				WithHint("Fix %s", path)
		}
	}
	managed := managedSettings()
	layer, err := readLayer(managed)
	if err == nil && (layer.DisableAllHooks || layer.AllowManagedHooksOnly) {
		return fault.New(fault.Conflict, "agent %s: %s forbids the hooks that muster needs", p.Spec.Agent, managed).
			WithHint("Ask the administrator to allow hooks, or use another agent.")
	}
	return nil
}

// managedSettings returns the path of the administrator's settings, which override all others.
func managedSettings() string {
	if runtime.GOOS == "darwin" {
		return "/Library/Application Support/ClaudeCode/managed-settings.json"
	}
	return "/etc/claude-code/managed-settings.json"
}

// checkTrust returns an error if the agent would ask whether it may trust the worktrees of the repository.
func checkTrust(p agent.Preflight, env []string, version [3]int) error {
	if p.Spec.Trust == "sandboxed" {
		return nil
	}
	u, err := readUser(env)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: the configuration of Claude Code can't be read", p.Spec.Agent)
	}
	worktrees := p.Home.WorktreesDir()
	above := slices.Compare(version[:], ownTrust[:]) < 0
	if trusted(u, p.Spec.Repo, worktrees, above) {
		return nil
	}
	hint := setupCommand(p, env)
	// If a directory above the repository is trusted, the agent does not ask there and stores no answer that would
	// cover a worktree elsewhere.
	if trusted(u, p.Spec.Repo, p.Spec.Repo, above) {
		hint = "cd " + text.Quote(worktrees) + " && " + programWord(env)
	}
	return fault.New(fault.Conflict, "agent %s: Claude Code has not been told to trust %s", p.Spec.Agent, p.Spec.Repo).
		WithHint("Run, and answer Yes: %s   (or set trust = \"sandboxed\")", hint)
}

// setupCommand returns the command by which a person sets up the agent for this repository.
func setupCommand(p agent.Preflight, env []string) string {
	dir := p.Spec.Repo
	if root, err := mainRoot(dir); err == nil {
		dir = root
	}
	return "cd " + text.Quote(dir) + " && " + programWord(env)
}

func programWord(env []string) string {
	if d, ok := environ.Lookup(env, "CLAUDE_CONFIG_DIR"); ok && d != "" {
		return "CLAUDE_CONFIG_DIR=" + text.Quote(d) + " claude"
	}
	return "claude"
}
