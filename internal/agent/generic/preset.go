package generic

import (
	"embed"
	"fmt"
	"maps"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/recipe"
)

//go:embed presets/*.toml
var presets embed.FS

// parsed has the descriptions that come with the program. They are read when they are first used: a hook of another kind of agent
// must not wait for that.
var parsed = map[string]func() event.Recipe{
	"copilot": sync.OnceValue(func() event.Recipe { return mustRead("copilot") }),
	"qwen":    sync.OnceValue(func() event.Recipe { return mustRead("qwen") }),
}

// Preset returns the adapter for an agent whose description comes with the program. It panics for a name that has none.
func Preset(name string) agent.Adapter {
	read, ok := parsed[name]
	if !ok {
		panic("no preset " + name)
	}
	return adapter{kind: name, preset: read}
}

// mustRead reads a description of the program. It panics if it has a mistake, which a test would have found.
func mustRead(name string) event.Recipe {
	r, err := readPreset(name)
	if err != nil {
		panic(err)
	}
	return r
}

// readPreset reads a description. It has the keys of [agents.NAME], of which command and env are read here.
func readPreset(name string) (event.Recipe, error) {
	b, err := presets.ReadFile("presets/" + name + ".toml")
	if err != nil {
		return event.Recipe{}, err
	}
	var own struct {
		Command []string          `toml:"command"`
		Env     map[string]string `toml:"env"`
	}
	table := map[string]any{}
	if err := toml.Unmarshal(b, &own); err != nil {
		return event.Recipe{}, fmt.Errorf("preset %s: %w", name, err)
	}
	if err := toml.Unmarshal(b, &table); err != nil {
		return event.Recipe{}, fmt.Errorf("preset %s: %w", name, err)
	}
	rest := maps.Clone(table)
	delete(rest, "command")
	delete(rest, "env")
	r, problems := recipe.Decode(rest)
	r.Command, r.Env = own.Command, own.Env
	problems = append(problems, recipe.CheckCommand(r.Command, r)...)
	if len(problems) > 0 {
		return event.Recipe{}, fmt.Errorf("preset %s: %s %s", name, problems[0].Key(), problems[0].What)
	}
	return r, nil
}
