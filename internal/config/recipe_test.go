package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/fault"
)

const describedAgent = `
[agents.droid]
kind = "generic"
command = ["droid", "--session-id", "{session}", "{prompt}"]
resume = ["droid", "--resume", "{session}", "{goon}"]
session = "pinned"
[agents.droid.fields]
session = "/session_id"
prompt = "/prompt"
[agents.droid.events]
UserPromptSubmit = "prompted"
Stop = "idle"
Notification = { state = "waiting", reason = "dialog", when = { "/notification_type" = "permission_prompt" } }
`

func TestRecipe_IsReadAndShown(t *testing.T) {
	t.Parallel()
	c, err := parseProject("muster.toml", []byte(describedAgent))
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Agent("droid")
	if err != nil || a.Recipe == nil || a.Recipe.Events["Stop"][0].State != "idle" || a.Recipe.Fields["prompt"][0] != "/prompt" {
		t.Fatalf("%+v, %v", a, err)
	}
	found := false
	for _, row := range c.Show() {
		found = found || row.Key == "agents.droid.events.Stop" && row.Value == `"idle"` && row.Origin == "muster.toml:12"
	}
	if !found {
		t.Errorf("the rows are %+v", c.Show())
	}
}

func TestRecipe_MistakesNameFileAndKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, now, where, what string }{
		"an unknown key":           {`session = "/session_id"`, `sesion = "/session_id"`, "muster.toml:8:1", "agents.droid.fields.sesion is no key"},
		"no pointer":               {`"/prompt"`, `"prompt"`, "muster.toml:9:1", "begins with /"},
		"a pointer never matches":  {`"/notification_type"`, `"notification_type"`, "muster.toml:13:", "can never match"},
		"a state":                  {`"idle"`, `"asleep"`, "muster.toml:12:1", "must be one of"},
		"no end of a turn":         {`Stop = "idle"`, ``, "muster.toml:", "has no end of a turn"},
		"a placeholder":            {`"{goon}"`, `"{go_on}"`, "muster.toml:5:1", "is no placeholder"},
		"no session in command":    {`"--session-id", "{session}", `, ``, "muster.toml:4:1", "does not name {session}"},
		"a reason of another":      {`reason = "dialog"`, `error = "auth"`, "muster.toml:13:", "does not fit"},
		"keys of another kind":     {`kind = "generic"`, `kind = "command"`, "muster.toml:", `has keys of kind "generic"`},
		"a tool without its field": {`[agents.droid.events]`, "[agents.droid.tools]\nBash = \"run\"\n[agents.droid.events]", "muster.toml:10:", "can never match"},
		"an event without a state": {`Stop = "idle"`, "Stop = \"idle\"\nOther = {}", "muster.toml:13:1", "agents.droid.events.Other.state is missing"},
		"a deep condition":         {`[agents.droid.events]`, "[agents.droid.record]\nfile = \"/x\"\nevent = \"/type\"\nevents = { a = { state = \"idle\", when = { \"b\" = 1 } } }\n[agents.droid.events]", "muster.toml:13:", "can never match"},
		"nothing tells arrival":    {`prompt = "/prompt"`, ``, "muster.toml:", "nothing tells that a message has arrived"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(describedAgent, c.old, c.now, 1)
			if text == describedAgent {
				t.Fatal("nothing was changed")
			}
			_, err := parseProject("muster.toml", []byte(text))
			if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), c.where) || !strings.Contains(err.Error(), c.what) || fault.HintOf(err) == "" {
				t.Errorf("got %v (%s), want %s … %s", err, fault.HintOf(err), c.where, c.what)
			}
		})
	}
}

func TestRecipe_LayersAreMerged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	user, project := filepath.Join(dir, "config.toml"), filepath.Join(dir, "muster.toml")
	for path, text := range map[string]string{user: describedAgent, project: "[agents.droid.events]\nStop = \"done\"\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(user, project)
	if err != nil {
		t.Fatal(err)
	}
	if e := c.Agents["droid"].Recipe.Events; e["Stop"][0].State != "done" || e["UserPromptSubmit"][0].State != "prompted" {
		t.Errorf("the events are %+v", e)
	}
}

func TestRecipe_EveryRowIsAKeyOfADescription(t *testing.T) {
	t.Parallel()
	for _, k := range recipeKeys() {
		if name, ok := ofRecipe(strings.Split(k.path, ".")); !ok || name != "NAME" {
			t.Errorf("%s is no key of a description", k.path)
		}
	}
}

func TestRecipe_TakesLittleTimeForManyKeys(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(strings.Replace(describedAgent, "[agents.droid.events]\n", "[agents.droid.events]\nc = 'idle'\n", 1))
	b.WriteString("[agents.droid.record]\nfile = '/x'\nevent = '/type'\n[agents.droid.record.events]\n")
	for i := range 3500 {
		fmt.Fprintf(&b, "c%d = 'idle'\n", i)
	}
	took := cpuOf(t, func() {
		if _, err := parseProject("muster.toml", []byte(b.String())); err != nil {
			t.Error(err)
		}
	})
	if took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
