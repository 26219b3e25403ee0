package permit_test

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/permit"
)

func run(command string) event.ToolUse {
	return event.ToolUse{Class: event.ToolRun, Names: []string{"claude:Bash"}, Command: command}
}

func allow(command string) event.PermissionRule {
	return event.PermissionRule{Tool: "run", Command: command, Action: event.PermissionAllow}
}

func deny(command string) event.PermissionRule {
	return event.PermissionRule{Tool: "run", Command: command, Action: event.PermissionDeny}
}

// TestEachPartOfACommandIsJudged has the ways by which matchers of agents were passed by, and what must still be allowed.
func TestEachPartOfACommandIsJudged(t *testing.T) {
	t.Parallel()
	rules := []event.PermissionRule{
		deny("git push*"), allow("git *"), allow("go test*"), allow("ls*"), allow("cat*"), allow("tee *"), allow("npm run build"),
		allow("timeout 60 go test*"), allow("echo *"),
	}
	const none = event.PermissionAction("")
	for command, want := range map[string]event.PermissionAction{
		"git status":                           event.PermissionAllow,
		"git commit -m 'one; two && three'":    event.PermissionAllow,
		"git fetch && go test ./... | tee log": event.PermissionAllow,
		"ls -la $HOME":                         event.PermissionAllow,
		`"git" status`:                         event.PermissionAllow,
		"go test ./... 2>&1 >/dev/null":        event.PermissionAllow,
		"for f in a b; do cat $f; done":        event.PermissionAllow,
		"cat < go.mod":                         event.PermissionAllow,
		"npm run build":                        event.PermissionAllow,
		"timeout 60 go test ./...":             event.PermissionAllow,
		"if git diff --quiet; then ls; fi":     event.PermissionAllow,
		"git log # git push":                   event.PermissionAllow,
		"cat <<'EOF'\ngit push\nEOF":           event.PermissionAllow,
		"git push":                             event.PermissionDeny,
		"git pushx":                            event.PermissionDeny,
		"git  push   origin":                   event.PermissionDeny,
		`g\it pu"sh"`:                          event.PermissionDeny,
		"/usr/bin/git push":                    event.PermissionDeny,
		"git status && git push":               event.PermissionDeny,
		"git status\ngit push":                 event.PermissionDeny,
		"git status & git push":                event.PermissionDeny,
		"(cd x; git push)":                     event.PermissionDeny,
		"echo $(git push)":                     event.PermissionDeny,
		"echo `git push`":                      event.PermissionDeny,
		`echo "$(git push)"`:                   event.PermissionDeny,
		"cat <(git push)":                      event.PermissionDeny,
		"sh -c 'git push'":                     event.PermissionDeny,
		`bash -lc "ls && git push"`:            event.PermissionDeny,
		`sh -c "sh -c 'git push'"`:             event.PermissionDeny,
		"env A=b git push":                     event.PermissionDeny,
		"A=b git push":                         event.PermissionDeny,
		"sudo -u me git push":                  event.PermissionDeny,
		"timeout 60 git push":                  event.PermissionDeny,
		"ls | xargs git push":                  event.PermissionDeny,
		"eval 'git push'":                      event.PermissionDeny,
		"f() { git push; }; f":                 event.PermissionDeny,
		"cat <<EOF\n$(git push)\nEOF":          event.PermissionDeny,
		"[[ -n $(git push) ]]":                 event.PermissionDeny,
		"git status; rm -rf x":                 none,
		"git status && rm -rf x":               none,
		"git status | sh":                      none,
		"git status & rm x":                    none,
		"git status\nrm x":                     none,
		"rm x":                                 none,
		"gitx status":                          none,
		"npm run build-other":                  none,
		"$GIT status":                          none,
		"timeout 90 go test ./...":             none,
		"git log $(curl x)":                    event.PermissionAsk,
		"git log `curl x`":                     event.PermissionAsk,
		"cat <(ls)":                            event.PermissionAsk,
		"git log > ../x":                       event.PermissionAsk,
		"git log > x":                          event.PermissionAsk,
		"git log >& x":                         event.PermissionAsk,
		"GIT_SSH_COMMAND=x git fetch":          event.PermissionAsk,
		"PATH=.; git fetch":                    event.PermissionAsk,
		"export PATH=.; git fetch":             event.PermissionAsk,
		"git() { rm x; }; git status":          event.PermissionAsk,
		"ls $((a[0]))":                         event.PermissionAsk,
		"ls ${x@P}":                            event.PermissionAsk,
		"ls ${!x}":                             event.PermissionAsk,
		"ls *(e:'rm x':)":                      event.PermissionAsk,
		"git status 'unfinished":               event.PermissionAsk,
		"ls {a,b}":                             event.PermissionAllow,
		"{git,push}":                           none,
		"coproc git status":                    event.PermissionAsk,
	} {
		if got := permit.Judge(rules, run(command)); got.Action != want {
			t.Errorf("%q: %q (%s), want %q", command, got.Action, got.Why, want)
		}
	}
}

func TestARuleForEveryCommandNeedsNoReading(t *testing.T) {
	t.Parallel()
	all := event.PermissionRule{Tool: "run", Action: event.PermissionAllow}
	if got := permit.Judge([]event.PermissionRule{all}, run("ls > $(x)")); got.Action != event.PermissionAllow {
		t.Errorf("%+v", got)
	}
	// A rule about some commands comes before it, and whether it matches cannot be read.
	if got := permit.Judge([]event.PermissionRule{deny("git push*"), all}, run("ls > $(x)")); got.Action != event.PermissionAsk || got.Why == "" {
		t.Errorf("%+v", got)
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	edit := func(paths ...string) event.ToolUse { return event.ToolUse{Class: event.ToolEdit, Paths: paths} }
	rules := []event.PermissionRule{
		{Tool: "edit", Path: "docs/secret/**", Action: event.PermissionDeny},
		{Tool: "edit", Path: "docs/**", Action: event.PermissionAllow},
		{Tool: "edit", Path: "*.md", Action: event.PermissionAllow},
		{Tool: "edit", Path: "/srv/**", Action: event.PermissionAsk},
		{Tool: "mcp:github/*", Action: event.PermissionAllow},
		{Tool: "claude:WebFetch", Action: event.PermissionDeny},
	}
	for _, c := range []struct {
		use  event.ToolUse
		want event.PermissionAction
	}{
		{edit("docs/a.md"), event.PermissionAllow},
		{edit("docs/a/b/c.txt"), event.PermissionAllow},
		{edit("docs/secret/x"), event.PermissionDeny},
		{edit("README.md"), event.PermissionAllow},
		{edit("sub/README.md"), ""},
		{edit("/srv/docs/a"), event.PermissionAsk},
		{edit("/docs/a.md"), ""},
		{edit("docs/a.md", "docs/secret/x"), event.PermissionDeny},
		{edit("docs/a.md", "main.go"), ""},
		{edit(), ""},
		{event.ToolUse{Class: event.ToolRead, Paths: []string{"docs/a.md"}}, ""},
		{event.ToolUse{Class: event.ToolMCP, Names: []string{"claude:mcp__github__x", "mcp:github/x"}}, event.PermissionAllow},
		{event.ToolUse{Class: event.ToolMCP, Names: []string{"claude:mcp__gitlab__x", "mcp:gitlab/x"}}, ""},
		{event.ToolUse{Class: event.ToolFetch, Names: []string{"claude:WebFetch"}}, event.PermissionDeny},
		{event.ToolUse{Class: event.ToolFetch, Names: []string{"codex:WebFetch"}}, ""},
	} {
		if got := permit.Judge(rules, c.use); got.Action != c.want {
			t.Errorf("%+v: %q, want %q", c.use, got.Action, c.want)
		}
	}
}

func TestARuleThatNeverMatchesIsRefused(t *testing.T) {
	t.Parallel()
	rule := func(change func(*event.PermissionRule)) event.PermissionRule {
		r := event.PermissionRule{Tool: "run", Action: event.PermissionAllow}
		change(&r)
		return r
	}
	for want, r := range map[string]event.PermissionRule{
		"":                   rule(func(r *event.PermissionRule) { r.Command = "git *" }),
		"is unknown":         rule(func(r *event.PermissionRule) { r.Tool = "bash" }),
		"one simple command": rule(func(r *event.PermissionRule) { r.Command = "git add * && git commit*" }),
		"white space":        rule(func(r *event.PermissionRule) { r.Command = " git add" }),
		"has no action":      rule(func(r *event.PermissionRule) { r.Action = "" }),
		"action is":          rule(func(r *event.PermissionRule) { r.Action = "maybe" }),
		"wait and default":   rule(func(r *event.PermissionRule) { r.Wait = 1 }),
		"command is for":     rule(func(r *event.PermissionRule) { r.Tool, r.Command = "edit", "x" }),
		"path is for":        rule(func(r *event.PermissionRule) { r.Path = "x" }),
		"matches no file":    rule(func(r *event.PermissionRule) { r.Tool, r.Path = "edit", "../x" }),
		"not a valid":        rule(func(r *event.PermissionRule) { r.Tool, r.Path = "edit", "[" }),
		"cannot be allowed":  rule(func(r *event.PermissionRule) { r.Tool = "question" }),
		"with a denial":      rule(func(r *event.PermissionRule) { r.Reason = "x" }),
		"default = \"reco":   rule(func(r *event.PermissionRule) { r.Action, r.Default = event.PermissionAsk, event.DefaultRecommended }),
	} {
		err := permit.Check(r, []string{"claude"})
		switch {
		case want == "" && err != nil:
			t.Errorf("%+v: %v", r, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || fault.CodeOf(err) != fault.Usage):
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
	}
	if err := permit.Check(event.PermissionRule{Tool: "claude:WebFetch", Action: event.PermissionDeny}, []string{"claude"}); err != nil {
		t.Error(err)
	}
}

// FuzzNoPartEscapes checks that a denied command is denied wherever it stands, and that nothing else is allowed with it.
func FuzzNoPartEscapes(f *testing.F) {
	for _, seed := range []string{"ls", "echo 'x", "a && b", "$(", "`", "\\", "x=1", "<<E", "{", "case x in", "#", "\"", "!", "ls\\"} {
		f.Add(seed)
	}
	rules := []event.PermissionRule{deny("git push*"), allow("ls*")}
	f.Fuzz(func(t *testing.T, before string) {
		command := before + "\ngit push"
		got := permit.Judge(rules, run(command))
		if got.Action == event.PermissionAllow && !strings.Contains(before, "#") && !strings.ContainsAny(before, "\\'\"<") {
			t.Errorf("%q is allowed", command)
		}
	})
}
