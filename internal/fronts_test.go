package internal_test

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// fronts are the packages that people and programs use a fleet through.
var fronts = []string{"tui", "web", "mcp", "cli"}

// frontImports are the packages that a front end may know. What must hold is checked in control, so that no front end
// can do what another one refuses.
var frontImports = []string{
	"fault", "text", "event", "life", "regular", "home", "config", "words", "report", // words and values
	"boot", "intake", "inside", "control",
}

// frontFiles are the files of cli that know more, and why: most hold hidden verbs, which are processes of the fleet.
var frontFiles = map[string]struct {
	packages []string
	why      string
}{
	"env.go":            {[]string{"fleet", "keeper"}, "the types of what tests replace"},
	"main.go":           {[]string{"agent", "agent/acp", "agent/all", "agent/sim", "cast", "launch"}, "the hidden verbs acp, hook, launch, record and sim"},
	"verb_supervise.go": {[]string{"daemon", "keeper"}, "the hidden verbs supervise and keep"},
	"verb_top.go":       {[]string{"tui"}, "it lends its terminal to the full screen"},
	"verb_replay.go":    {[]string{"tui"}, "it lends its terminal to the player"},
	"verb_web.go":       {[]string{"web"}, "it serves the page"},
	"verb_up.go":        {[]string{"daemon"}, "--foreground"},
	"verb_service.go":   {[]string{"run", "service"}, "the service manager of the machine, which no fleet needs"},
	"verb_attach.go":    {[]string{"run"}, "this process becomes the terminal's client"},
	"verb_demo.go":      {[]string{"environ", "git", "host"}, "it has a fleet and a repository of its own, and kills a supervisor"},
	"verb_schema.go":    {[]string{"status"}, "it prints the schema"},
	"verb_check.go":     {[]string{"check"}, "the results of inside.Voice.Check"},
	"verb_ask.go":       {[]string{"mail"}, "the results of inside.Voice.Ask"},
}

func TestFrontEndsKnowTheSeamOnly(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !slices.Contains(fronts, s.room()) {
			continue
		}
		for p, spec := range imports(s) {
			pkg, ours := strings.CutPrefix(p, "muster/internal/")
			if !ours || room(pkg) == s.room() || slices.Contains(frontImports, pkg) {
				continue
			}
			if s.room() != "cli" || !slices.Contains(frontFiles[path.Base(s.path)].packages, pkg) {
				t.Errorf("%s: %s imports %s; ask control for it", where(spec), s.path, pkg)
			}
		}
	}
}

// commands are the commands of control, and the file of cli that has the verb for each.
var commands = map[string]string{
	"Dispatch": "verb_dispatch.go", "Send": "verb_send.go", "Answer": "verb_answer.go", "Interrupt": "verb_interrupt.go",
	"Stop": "verb_stop.go", "Retry": "verb_retry.go", "Remove": "verb_rm.go", "Collect": "verb_gc.go", "Restore": "verb_restore.go",
	"Down": "verb_down.go", "Up": "verb_up.go", "Upgrade": "verb_upgrade.go",
	"TakeIssues": "verb_intake.go", "WakeAccount": "verb_accounts.go", "RestAccount": "verb_accounts.go",
}

// commandsToo are further uses: verbs that people are led through several commands by.
var commandsToo = map[string][]string{
	"verb_attach.go": {"Retry"},            // it offers to bring a conversation back
	"verb_demo.go":   {"Dispatch", "Down"}, // it is a whole night in a minute
}

// A verb that changes something builds one command and hands it to Control.Do, in cli's one call of it. What such a
// verb refuses is refused by the command, for every front end.
func TestAVerbThatChangesSomethingIsOneCommand(t *testing.T) {
	t.Parallel()
	defined, used, calls := map[string]bool{}, map[string][]string{}, 0
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && s.pkg == "control" && f.Name.Name == "do" && f.Recv != nil {
				if id, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
					defined[id.Name] = true
				}
			}
		}
		if s.room() != "cli" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if name, ok := strings.CutPrefix(selector(n), "control."); ok && commands[name] != "" {
					used[path.Base(s.path)] = append(used[path.Base(s.path)], name)
				}
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Do" && selector(sel) != "run.Do" {
					if calls++; path.Base(s.path) != "root.go" {
						t.Errorf("%s: a verb uses do, which starts a fleet and waits for the effect", where(n))
					}
				}
			}
			return true
		})
	}
	if calls != 1 {
		t.Errorf("cli calls Control.Do in %d places", calls)
	}
	for name := range defined {
		if commands[name] == "" {
			t.Errorf("control.%s has no verb: add both to commands", name)
		}
	}
	for name, file := range commands {
		if !defined[name] {
			t.Errorf("there is no control.%s", name)
		}
		if n := len(slices.DeleteFunc(slices.Clone(used[file]), func(s string) bool { return s != name })); n != 1 {
			t.Errorf("%s builds control.%s in %d places", file, name, n)
		}
	}
	for file, names := range used {
		for _, name := range names {
			if commands[name] != file && !slices.Contains(commandsToo[file], name) {
				t.Errorf("%s builds control.%s, whose verb is in %s", file, name, commands[name])
			}
		}
	}
}

// mutators are methods of boot.Fleet that change a fleet; commands and processes of the fleet alone may call them.
var mutators = []string{"Up", "Down", "Ensure", "Upgrade", "Sweep"}

func TestFrontEndsChangeAFleetByCommandsOnly(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !slices.Contains(fronts, s.room()) {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(mutators, sel.Sel.Name) {
				t.Errorf("%s: %s; use control.Do", where(n), sel.Sel.Name)
			}
			return true
		})
	}
}
