package gemini

import (
	"context"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

const install = "npm install -g @google/gemini-cli"

// version is the measured one.
var version = agent.Version{Name: "Gemini CLI", Pattern: text.Pattern(`^(\d+)\.(\d+)\.(\d+)`), Oldest: [3]int{0, 61, 0}, Install: install, Package: "@google/gemini-cli"}

// keyVar is the variable with the API key.
const keyVar = "GEMINI_API_KEY"

// Check implements agent.Adapter. Each thing that it checks would open a dialog before the first hook, disable the hooks, or let
// the agent call its model without end.
func (adapter) Check(ctx context.Context, p agent.Preflight) error {
	env := agent.FullEnv(p)
	for _, check := range []func() error{
		func() error { return checkArgs(p.Spec.Args) },
		func() error { return agent.CheckEnvFrom(p) },
		func() error { return checkVersion(ctx, p, env) },
		func() error { return checkSettings(p, env) },
		func() error { return checkProject(p.Spec, p.Spec.Repo) },
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
	program, err := agent.FindProgram(p.Spec, env, "gemini", install)
	if err != nil {
		return err
	}
	return version.Check(ctx, p, env, program)
}

// checkSettings returns an error for settings that cannot be read, for a task without a named model, and for an unknown mode.
func checkSettings(p agent.Preflight, env []string) error {
	s, err := readSettings(configDir(env))
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: the settings of Gemini CLI can't be read", p.Spec.Agent).
			WithHint("Fix %s/%s", configDir(env), settingsName)
	}
	if name := modelOf(p.Spec, s); name == "" || strings.HasPrefix(name, "auto") {
		return fault.New(fault.Conflict, "agent %s: no model is named. At the end of a quota, a Gemini CLI that chooses its model itself calls it without a pause and without an end", p.Spec.Agent).
			WithHint("Add model = \"gemini-2.5-pro\" (or another one) to [agents.%s], or dispatch with --model NAME.", p.Spec.Agent)
	}
	if mode := modeOf(p.Spec, s); !slices.Contains([]string{modeDefault, modeAutoEdit, modeYOLO}, mode) {
		return fault.New(fault.Conflict, "agent %s: the approval mode %q of Gemini CLI is not supported", p.Spec.Agent, mode).
			WithHint("Use --approval-mode=%s, %s or %s in args of [agents.%s].", modeDefault, modeAutoEdit, modeYOLO, p.Spec.Agent)
	}
	return nil
}

// checkLogin returns an error without an API key. Another login cannot be handed on to the agent's own home.
func checkLogin(p agent.Preflight, env []string) error {
	if value, ok := environ.Lookup(env, keyVar); ok && value != "" {
		return nil
	}
	return fault.New(fault.Conflict, "agent %s: Gemini CLI needs an API key in %s, which the agent's environment lacks", p.Spec.Agent, keyVar).
		WithHint("Add %s to env_from of [agents.%s], and run: export %s=… && muster up", keyVar, p.Spec.Agent, keyVar)
}

// checkTrust returns an error if the user does not trust the repository.
func checkTrust(p agent.Preflight, env []string) error {
	if v := environ.Get(env, "GEMINI_CLI_TRUST_WORKSPACE"); v != "" && v != "true" {
		return fault.New(fault.Conflict, "agent %s: GEMINI_CLI_TRUST_WORKSPACE=%s keeps Gemini CLI from running muster's hooks", p.Spec.Agent, text.Line(v, 40)).
			WithHint("Remove it from the environment of [agents.%s].", p.Spec.Agent)
	}
	if isTrusted(p.Spec, env) {
		return nil
	}
	return fault.New(fault.Conflict, "agent %s: Gemini CLI has not been told to trust %s", p.Spec.Agent, p.Spec.Repo).
		WithHint("Run, and trust the folder: cd %s && gemini   (or set trust = \"sandboxed\")", text.Quote(p.Spec.Repo))
}
