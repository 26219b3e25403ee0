package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/testkit/files"
)

func TestCommandReplacesPlaceholdersWithinWords(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	files.Script(t, l.Worktree, "agent.sh", "true")
	l.Prompt = "say {task} \"$HOME\" -x"
	l.Spec.Command = []string{"./agent.sh", "--file={prompt_file}", "{prompt}", "{worktree}/x", "{task}"}
	l.Messages = []mail.Message{{ID: "m2", Text: "the check is red"}}
	p := agenttest.Plan(t, New(), l)
	prompt := l.Prompt + "\n\n[muster m2]\nthe check is red"
	want := []string{filepath.Join(l.Worktree, "agent.sh"), "--file=" + agent.PromptPath(l), prompt, l.Worktree + "/x", "t3"}
	if diff := cmp.Diff(want, p.Argv); diff != "" {
		t.Errorf("argv (-want +got):\n%s", diff)
	}
	if len(p.Files) != 1 || p.Files[0].Path != "prompt.md" || string(p.Files[0].Data) != prompt+"\n" {
		t.Errorf("files %+v", p.Files)
	}
	if !slices.Contains(p.Env, "MUSTER_PROMPT_FILE="+agent.PromptPath(l)) {
		t.Errorf("env %v", p.Env)
	}
}

func TestCommandWithAPromptThatIsTooLongNamesTheFile(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Prompt = strings.Repeat("x", agent.MaxArgument+1)
	l.Spec.Command = []string{"agent", "{prompt}"}
	if _, err := New().Plan(l); !fault.Is(err, fault.Usage) || !strings.Contains(fault.HintOf(err), "{prompt_file}") {
		t.Errorf("got %v", err)
	}
	l.Spec.Command = []string{"agent", "{prompt_file}"}
	agenttest.Plan(t, New(), l)
}

func TestCommandHasToExist(t *testing.T) {
	t.Parallel()
	l := newLaunch(t)
	l.Spec.Agent = "mine"
	files.Script(t, l.Spec.Repo, "agent.sh", "true")
	if err := os.WriteFile(filepath.Join(l.Spec.Repo, "no-program"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		want    fault.Code
	}{
		{nil, fault.Usage},
		{[]string{"./agent.sh"}, ""},
		{[]string{filepath.Join(l.Spec.Repo, "agent.sh")}, ""},
		{[]string{"agent"}, ""}, // on the PATH
		{[]string{"sh"}, ""},
		{[]string{"./missing.sh"}, fault.Conflict},
		{[]string{"./no-program"}, fault.Conflict},
		{[]string{"surely-no-such-program"}, fault.Conflict},
	} {
		l.Spec.Command = c.command
		err := New().Check(t.Context(), agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home})
		if fault.CodeOf(err) != c.want || err != nil && fault.HintOf(err) == "" {
			t.Errorf("%v: %v (%s)", c.command, err, fault.HintOf(err))
		}
	}
	l.Spec.Command, l.Spec.EnvFrom = []string{"sh"}, []string{"A_SECRET"}
	if err := New().Check(t.Context(), agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a variable that is missing: %v", err)
	}
}
