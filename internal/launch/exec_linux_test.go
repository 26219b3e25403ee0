package launch

import (
	"fmt"
	"strings"
	"testing"
)

func TestWhatIsTooLongIsSaidPlainly(t *testing.T) {
	t.Parallel()
	a := newAgent(t, "true")
	a.Argv = append(a.Argv, "sh", strings.Repeat("x", 140<<10))
	code, said := finish(t, program("launch", a.write(t)))
	if code == 0 || !strings.Contains(said, "143360 bytes") || !strings.Contains(said, "{prompt_file}") || strings.Contains(said, "xxxx") {
		t.Errorf("long argument: exit %d, said %.300q", code, said)
	}
	b := newAgent(t, "true")
	b.Env = append(b.Env, "TOKEN="+strings.Repeat("x", 140<<10))
	code, said = finish(t, program("launch", b.write(t)))
	if code == 0 || !strings.Contains(said, "variable TOKEN has") || strings.Contains(said, "xxxx") {
		t.Errorf("long variable: exit %d, said %.300q", code, said)
	}
	for _, a := range []*agent{a, b} {
		if r := records(t, a); len(r) != 1 || r[0].State != "exited" || !strings.Contains(r[0].Note, "the system takes 131071") {
			t.Errorf("records %+v", r)
		}
	}
}

func TestSecretsAreInNoCommandLine(t *testing.T) {
	t.Parallel()
	a := newAgent(t, `echo up; exec sleep 60`)
	a.Env = append(a.Env, "TOKEN=s3cret")
	cmd := program("launch", a.write(t))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := started(t, cmd)
	firstLine(t, out)
	seen := func(name string) string { return read(t, fmt.Sprintf("/proc/%d/%s", p.PID, name)) }
	eventually(t, "the agent is what it stays", func() bool { return seen("cmdline") == "sleep\x0060\x00" && seen("environ") != "" })
	if line := seen("cmdline"); strings.Contains(line, "s3cret") {
		t.Errorf("command line %q", line)
	}
	if env := seen("environ"); !strings.Contains(env, "TOKEN=s3cret") || strings.Contains(env, "LEAKED") {
		t.Errorf("environment %q", env)
	}
}
