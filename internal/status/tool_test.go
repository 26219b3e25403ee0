package status

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenTool(t *testing.T) {
	t.Parallel()
	const (
		bash    = `{"state":"working","tool":"Bash","tool_use_id":"u1"}`
		bashEnd = `{"state":"working","tool_use_id":"u1"}`
		read    = `{"state":"working","tool":"Read","tool_use_id":"u2"}`
		readEnd = `{"state":"working","tool_use_id":"u2"}`
		script  = `{"state":"working","tool":"make"}`
		works   = `{"state":"working"}`
		answer  = `{"state":"working","tool":"Bash","request":"q1"}`
		asks    = `{"state":"waiting","reason":"permission","tool":"Bash","tool_use_id":"u1"}`
	)
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"nothing":                     {nil, ""},
		"begun":                       {[]string{bash}, "Bash"},
		"begun and ended":             {[]string{bash, bashEnd}, ""},
		"two, the newer ended":        {[]string{bash, read, readEnd}, "Bash"},
		"two, the older ended":        {[]string{bash, read, bashEnd}, "Read"},
		"the turn is over":            {[]string{bash, `{"state":"idle"}`}, ""},
		"a new turn":                  {[]string{bash, `{"state":"working","prompted":true}`}, ""},
		"asked for, not begun":        {[]string{asks}, ""},
		"begun, then asked for":       {[]string{bash, asks}, "Bash"},
		"asked, answered and ended":   {[]string{bash, asks, answer, bashEnd}, ""},
		"asked and answered":          {[]string{bash, asks, answer}, "Bash"},
		"asked as a use of its own":   {[]string{bash, `{"state":"waiting","reason":"permission","tool":"Bash","tool_use_id":"u7"}`, `{"state":"working","tool":"Bash","tool_use_id":"u7","request":"q1"}`, bashEnd}, ""}, // as Copilot CLI does
		"answered without a begin":    {[]string{asks, answer}, "Bash"},
		"a script without ids":        {[]string{script}, "make"},
		"a script that went on":       {[]string{script, works}, ""},
		"what is no record":           {[]string{bash, "nonsense", `{"state":"dancing"}`}, "Bash"},
		"a torn end":                  {[]string{bash, `{"state":"working","tool_use`}, "Bash"},
		"behind much that is no news": {append([]string{bash}, strings.Repeat(strings.Repeat("x", 1000)+"\n", 300)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "t1.1.jsonl")
			if c.lines != nil {
				if err := os.WriteFile(path, []byte(strings.Join(c.lines, "\n")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := OpenTool(path)
			if err != nil || got != c.want {
				t.Errorf("OpenTool is %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
