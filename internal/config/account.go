package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// finishAccounts checks the accounts, and fills in the agents and the home directory in their values.
func (d *draft) finishAccounts() (wrong []complaint) {
	for i := range d.Accounts {
		a := &d.Accounts[i]
		if c := d.finishAccount(a); c != nil {
			c.where = d.place("accounts." + a.Name)
			wrong = append(wrong, *c)
		}
	}
	return wrong
}

func (d *draft) finishAccount(a *Account) *complaint {
	c := d.config()
	_, err := c.Agent(a.Name)
	isAgent := err == nil
	switch {
	case a.Agent == "" && !isAgent:
		return &complaint{
			what: fmt.Sprintf("account `%s` has no `agent`", a.Name),
			hint: fmt.Sprintf("Name the agent that uses it: one of %s.", quoted(c.agentNames())),
		}
	case a.Agent == "":
		a.Agent = a.Name
		d.Origin["accounts."+a.Name+".agent"] = originDefault
	case isAgent && a.Agent != a.Name:
		return &complaint{
			what: fmt.Sprintf("account `%s` is for agent %q, and `%s` is an agent itself, whose implied account has that name", a.Name, a.Agent, a.Name),
			hint: "Give the account another name.",
		}
	}
	if _, err := c.Agent(a.Agent); err != nil {
		wrong := asComplaint(err)
		wrong.what = fmt.Sprintf("accounts.%s.agent: %s", a.Name, wrong.what)
		wrong.hint = hintWord(a.Agent, c.agentNames(), "Known agents", "An agent of your own belongs into the same file, under [agents.NAME].")
		return wrong
	}
	for _, name := range sortedKeys(a.Env) {
		if _, both := a.EnvFrom[name]; both {
			return &complaint{what: fmt.Sprintf("account `%s` has %s in `env` and in `env_from`", a.Name, name), hint: "Remove it from one of them."}
		}
		rest, ok := strings.CutPrefix(a.Env[name], "~/")
		if !ok {
			continue
		}
		home, err := os.UserHomeDir()
		if err != nil {
			return &complaint{what: fmt.Sprintf("accounts.%s.env.%s begins with ~, and the home directory is not known: %v", a.Name, name, err), hint: "Write the whole path."}
		}
		a.Env[name] = filepath.Join(home, rest)
	}
	return nil
}
