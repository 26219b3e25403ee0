package opencode

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/run"
	"muster/internal/text"
)

// oldestVersion is the oldest version that this adapter accepts: the measured one.
var oldestVersion = [3]int{1, 18, 33}

var versionPattern = text.Pattern(`^(\d+)\.(\d+)\.(\d+)`)

// maxFile bounds a file of the user's configuration, in bytes.
const maxFile = 4 << 20

// Check implements agent.Adapter. Each thing that it checks would keep the plugin from being loaded, or the agent from
// reaching the model that the user means.
func (adapter) Check(ctx context.Context, p agent.Preflight) error {
	env := agent.FullEnv(p)
	for _, check := range []func() error{
		func() error { return checkArgs(p.Spec) },
		func() error { return agent.CheckEnvFrom(p) },
		func() error { return checkPlugins(p, env) },
		func() error { return checkVersion(ctx, p, env) },
		func() error { return checkConfig(p, env) },
		func() error { return checkModel(p, env) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkPlugins returns an error if the environment keeps the agent from loading muster's plugin.
func checkPlugins(p agent.Preflight, env []string) error {
	for _, name := range []string{"OPENCODE_PURE"} {
		if v, ok := environ.Lookup(env, name); ok && v != "" && v != "0" && v != "false" {
			return fault.New(fault.Conflict, "agent %s: %s switches the plugins of OpenCode off, and muster needs one", p.Spec.Agent, name).
				WithHint("Remove %s from [agents.%s].", name, p.Spec.Agent)
		}
	}
	_, content := environ.Lookup(env, contentVariable)
	_, file := environ.Lookup(env, fileVariable)
	if content && file {
		return fault.New(fault.Conflict, "agent %s: %s and %s are both set, and muster needs one of them", p.Spec.Agent, contentVariable, fileVariable).
			WithHint("Put the content of one into the other, or into opencode.json.")
	}
	return nil
}

func checkVersion(ctx context.Context, p agent.Preflight, env []string) error {
	program, err := findProgram(p.Spec, env)
	if err != nil {
		return err
	}
	said := agent.PackageVersion(program, "opencode-")
	if said == "" {
		res, err := run.Do(ctx, run.Cmd{
			Argv: append(program, "--version"), Dir: p.Spec.Repo, Env: environ.Overlay(env, "OPENCODE_DISABLE_AUTOUPDATE=1"), Timeout: time.Minute,
		})
		if err != nil {
			return fault.Wrap(fault.Conflict, err, "agent %s does not start", p.Spec.Agent).WithHint("Run: %s --version", program[0])
		}
		said = strings.TrimSpace(string(res.Stdout))
	}
	m := versionPattern().FindStringSubmatch(said)
	if m == nil {
		return fault.New(fault.Conflict, "agent %s: %s is not OpenCode: its version is %q", p.Spec.Agent, program[0], said).
			WithHint("Run: npm install -g opencode-ai")
	}
	var version [3]int
	for i := range version {
		version[i], _ = strconv.Atoi(m[i+1])
	}
	if slices.Compare(version[:], oldestVersion[:]) < 0 {
		return fault.New(fault.Conflict, "agent %s: OpenCode %s is too old, muster needs %d.%d.%d or later",
			p.Spec.Agent, m[0], oldestVersion[0], oldestVersion[1], oldestVersion[2]).WithHint("Run: opencode upgrade")
	}
	return nil
}

// userConfig is the part of a configuration that is used here.
type userConfig struct {
	Model    string                     `json:"model"`
	Provider map[string]json.RawMessage `json:"provider"`
}

// configFiles returns the files of the user's own configuration and of the repository's. Later ones win.
func configFiles(env []string, repo string) []string {
	var out []string
	for _, dir := range []string{userDir(env), repo} {
		for _, name := range []string{"config.json", "opencode.json", "opencode.jsonc"} {
			if dir == repo && name == "config.json" {
				continue // another program's
			}
			out = append(out, filepath.Join(dir, name))
		}
	}
	if file, ok := environ.Lookup(env, fileVariable); ok && file != "" {
		out = append(out, file)
	}
	return out
}

// userDir returns the directory of the user's configuration.
func userDir(env []string) string { return filepath.Join(xdg(env, configHome, ".config"), kind) }

// dataDir returns the directory of the user's conversations and logins.
func dataDir(env []string) string { return filepath.Join(xdg(env, dataHome, ".local/share"), kind) }

func xdg(env []string, name, below string) string {
	if dir, ok := environ.Lookup(env, name); ok && dir != "" {
		return dir
	}
	return filepath.Join(environ.Get(env, "HOME"), below)
}

// readConfig returns the model and the providers of the layers of the configuration.
func readConfig(env []string, repo string) (userConfig, error) {
	all := userConfig{Provider: map[string]json.RawMessage{}}
	add := func(name string, b []byte) error {
		var c userConfig
		if err := json.Unmarshal(agent.PlainJSON(b), &c); err != nil {
			return fault.Wrap(fault.Conflict, err, "%s", name)
		}
		if c.Model != "" {
			all.Model = c.Model
		}
		for k, v := range c.Provider {
			all.Provider[k] = v
		}
		return nil
	}
	for _, path := range configFiles(env, repo) {
		b, err := agent.ReadSetup(path, maxFile)
		if err != nil {
			continue
		}
		if err := add(path, b); err != nil {
			return all, err
		}
	}
	if content, ok := environ.Lookup(env, contentVariable); ok {
		return all, add(contentVariable, []byte(content))
	}
	return all, nil
}

// checkConfig returns an error for a configuration that the agent cannot read: it would end at its start.
func checkConfig(p agent.Preflight, env []string) error {
	if _, err := readConfig(env, p.Spec.Repo); err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: OpenCode would stop at its configuration", p.Spec.Agent).
			WithHint("Fix that file. Or run: opencode debug config")
	}
	return nil
}

// checkModel returns an error if it is not certain whose model the agent would use. Without a login OpenCode takes a model
// that its makers offer for nothing, and the project's code would go there without anybody's decision.
func checkModel(p agent.Preflight, env []string) error {
	c, err := readConfig(env, p.Spec.Repo)
	if err != nil {
		return err
	}
	model := p.Spec.Model
	if model == "" {
		model = c.Model
	}
	provider, _, named := strings.Cut(model, "/")
	if model != "" && !named {
		return fault.New(fault.Usage, "agent %s: %q is no model of OpenCode, which is PROVIDER/MODEL", p.Spec.Agent, model).
			WithHint("Run: opencode models")
	}
	logins := readLogins(env)
	login, stored := logins[provider]
	switch {
	case p.Spec.Fence != nil && model == "":
		return fault.New(fault.Conflict, "agent %s: a fenced OpenCode gets the login of one provider, and no model names it", p.Spec.Agent).
			WithHint(`Set model = "PROVIDER/MODEL" in [agents.%s].`, p.Spec.Agent)
	case p.Spec.Fence != nil && stored && login.Type != "api" && !hasKey(env):
		return fault.New(fault.Conflict, "agent %s: a fenced OpenCode cannot use the login for %s, which is renewed while it is used", p.Spec.Agent, provider).
			WithHint("Log in with an API key (opencode auth login), or name its variable in env_from of [agents.%s]. Or dispatch with --fence off.", p.Spec.Agent)
	case model == "" && len(logins) == 0 && len(c.Provider) == 0 && !hasKey(env):
		return fault.New(fault.Conflict, "agent %s: OpenCode has no login and no model, and would send the project to a free model of its makers", p.Spec.Agent).
			WithHint("Run: opencode auth login. Or name the variable with the key in env_from of [agents.%s].", p.Spec.Agent)
	}
	return nil
}

// hasKey reports whether the environment has a provider's key.
func hasKey(env []string) bool {
	return slices.ContainsFunc(env, func(kv string) bool {
		name, value, _ := strings.Cut(kv, "=")
		return value != "" && (strings.HasSuffix(name, "_API_KEY") || name == "OPENCODE_AUTH_CONTENT" || name == "AWS_BEARER_TOKEN_BEDROCK" || name == "AWS_PROFILE")
	})
}

// login is one entry of the file of logins.
type login struct {
	Type string `json:"type"` // api, oauth, wellknown
}

// authName is the file of logins in the agent's dataDir.
const authName = "auth.json"

// readLogins returns the user's logins by provider.
func readLogins(env []string) map[string]login {
	var all map[string]login
	b, err := agent.ReadSetup(filepath.Join(dataDir(env), authName), maxFile)
	if err != nil || json.Unmarshal(b, &all) != nil {
		return nil
	}
	return all
}
