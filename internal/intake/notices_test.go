package intake

import (
	"slices"
	"testing"

	"muster/internal/event"
)

func TestNotices_VariablesThatAreSetAndNotHandedOn(t *testing.T) {
	t.Parallel()
	variables := []string{"TOOL_CONFIG_DIR", "TOOL_USE_*", "CLOUD_PROFILE"}
	env := []string{"PATH=/bin", "TOOL_CONFIG_DIR=/work", "TOOL_USE_CLOUD=1", "CLOUD_PROFILE=", "TOOLS=1", "OTHER=1"}
	for _, c := range []struct {
		name string
		spec event.Spec
		want []string
	}{
		{"all that are set and not empty", event.Spec{}, []string{"TOOL_CONFIG_DIR", "TOOL_USE_CLOUD"}},
		{"not what env_from names", event.Spec{EnvFrom: []string{"TOOL_CONFIG_DIR"}}, []string{"TOOL_USE_CLOUD"}},
		{"not what the task sets itself", event.Spec{Env: map[string]string{"TOOL_USE_CLOUD": "0"}}, []string{"TOOL_CONFIG_DIR"}},
	} {
		if got := notHandedOn(variables, env, c.spec); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
