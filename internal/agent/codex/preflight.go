package codex

import (
	"context"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

// version is the measured one.
var version = agent.Version{
	Name: "Codex CLI", Pattern: text.Pattern(`^codex-cli (\d+)\.(\d+)\.(\d+)`), Oldest: [3]int{0, 171, 0}, Install: "npm install -g @openai/codex",
}

// Check implements agent.Adapter. Each thing that it checks would open a dialog before the first hook, or disable the
// hooks, and the agent would wait there all night.
func (adapter) Check(ctx context.Context, p agent.Preflight) error {
	env := agent.FullEnv(p)
	for _, check := range []func() error{
		func() error { return checkArgs(p.Spec.Args) },
		func() error { return agent.CheckEnvFrom(p) },
		func() error { return checkVersion(ctx, p, env) },
		func() error { return checkConfig(p, env) },
		func() error { return checkLogin(p, env) },
		func() error { return checkTrust(p, env) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkVersion(ctx context.Context, p agent.Preflight, env []string) error {
	program, err := findProgram(p.Spec, env)
	if err != nil {
		return err
	}
	return version.Check(ctx, p, env, program)
}

// checkConfig returns an error for a configuration that the agent cannot read, and for one that switches hooks off.
func checkConfig(p agent.Preflight, env []string) error {
	u, err := readUser(env)
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: the configuration of Codex CLI can't be read", p.Spec.Agent).
			WithHint("Fix %s/config.toml", configDir(env))
	}
	if u.Features.Hooks != nil && !*u.Features.Hooks {
		return fault.New(fault.Conflict, "agent %s: %s/config.toml switches off the hooks that muster needs", p.Spec.Agent, configDir(env)).
			WithHint("Remove hooks = false from [features] there.")
	}
	return nil
}

// checkLogin returns an error if the agent would ask for a login, or if the variable with the key of its provider is
// missing, which fails the first turn.
func checkLogin(p agent.Preflight, env []string) error {
	u, err := readUser(env)
	if err != nil {
		return nil //nolint:nilerr // checkConfig has reported it
	}
	provider, own := u.Providers[u.Provider]
	if own && provider.EnvKey != "" {
		if value, ok := environ.Lookup(env, provider.EnvKey); !ok || value == "" {
			return fault.New(fault.Conflict, "agent %s: the provider %q of Codex CLI needs %s, which the agent's environment lacks", p.Spec.Agent, u.Provider, provider.EnvKey).
				WithHint("Add %s to env_from of [agents.%s], and run: export %s=… && muster up", provider.EnvKey, p.Spec.Agent, provider.EnvKey)
		}
		return nil
	}
	if own && !provider.RequiresAuth || u.Provider == "oss" || u.Provider == "ollama" || u.Provider == "lmstudio" {
		return nil
	}
	// No variable logs the interactive program in (measured: CODEX_API_KEY, CODEX_ACCESS_TOKEN and OPENAI_API_KEY).
	if p.Spec.Fence != nil {
		return fault.New(fault.Conflict, "agent %s: a fenced Codex CLI cannot use the login of %s", p.Spec.Agent, configDir(env)).
			WithHint("Set model_provider in %s/config.toml to a provider with env_key, and add that variable to env_from of [agents.%s]. Or dispatch with --fence off.", configDir(env), p.Spec.Agent)
	}
	if hasLogin(env) || u.Store == "keyring" || u.Store == "auto" {
		return nil // what a keyring holds is not looked at
	}
	return fault.New(fault.Conflict, "agent %s: Codex CLI is not logged in (%s)", p.Spec.Agent, configDir(env)).
		WithHint("Run: %scodex login", homeWord(env))
}

// checkTrust returns an error if the agent would ask whether it may trust the worktrees of the repository.
func checkTrust(p agent.Preflight, env []string) error {
	if isTrusted(p.Spec, env) {
		return nil
	}
	return fault.New(fault.Conflict, "agent %s: Codex CLI has not been told to trust %s", p.Spec.Agent, p.Spec.Repo).
		WithHint("Run, and trust the folder: cd %s && %scodex   (or set trust = \"sandboxed\")", text.Quote(p.Spec.Repo), homeWord(env))
}

// homeWord returns the assignment by which a command uses the same configuration.
func homeWord(env []string) string {
	if d, ok := environ.Lookup(env, homeVar); ok && d != "" {
		return homeVar + "=" + text.Quote(d) + " "
	}
	return ""
}
