package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/testkit/browser"
)

// shots says that the pictures of the documentation are made anew.
var shots = flag.Bool("shots", false, "write the pictures of the documentation anew")

// served is a page that is served until the test ends.
type served struct {
	link string
	base string
}

// serve starts muster web.
func (f *Fleet) serve(args ...string) served {
	f.t.Helper()
	cmd := f.command(append([]string{"web", "--port", "0"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	var once sync.Once
	end := func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			_ = cmd.Wait() // it was interrupted
		})
	}
	f.t.Cleanup(end)
	line := make([]byte, 256)
	n, err := out.Read(line)
	link := strings.TrimSpace(string(line[:n]))
	base, _, ok := strings.Cut(link, "/in/")
	if err != nil || !ok {
		end()
		f.t.Fatalf("muster web prints %q: %v %s", link, err, errs.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // it ends with the process
	return served{link: link, base: base}
}

func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	check := []string{"--check", "test=grep -q right a.txt"}
	named := func(name string) []string { return []string{"--name", name} }
	done := f.dispatch("write a.txt <<wrong\\n\nusage 120000 9000 1.2\ndone\n---\nwrite a.txt <<right\\n\ndone", append(check, named("flaky store")...)...)
	asks := f.dispatch("once ask question \"Left or right?\" left|right\nwrite b.txt <<x\\n\ndone", named("rename account")...)
	permits := f.dispatch("once ask permission Bash terraform plan -out plan.bin && cat plan.bin | base64\nwrite c.txt <<x\\n\ndone", named("infra plan")...)
	late := f.dispatch("once ask permission Bash rm -r build\nwrite d.txt <<x\\n\nwork 5m", named("clean up")...)
	works := f.dispatch("work 20m reading the schema", named("docs links")...)
	fails := f.dispatch("write a.txt <<wrong\\n\ndone", append(check, "--name", `race <b onclick="x">`)...)
	f.reaches(done, event.Done)
	f.reaches(fails, event.Parked)
	for _, id := range []event.TaskID{asks, permits, late} {
		f.reaches(id, event.Waiting)
	}
	s := f.serve()
	settings := map[string]any{
		"muster": f.command().Path, "repo": f.repo, "home": f.root + "/home", "link": s.link,
		"tasks": map[string]event.TaskID{"done": done, "asks": asks, "permits": permits, "late": late, "works": works, "fails": fails},
	}
	if *shots {
		pictures, err := filepath.Abs("../../docs/images")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(pictures, 0o755); err != nil { //nolint:gosec // a directory of the repository
			t.Fatal(err)
		}
		settings["shots"] = map[string]string{"tasks-1280": pictures + "/web-tasks.png", "tasks-390": pictures + "/web-phone.png", "diff-1280": pictures + "/web-diff.png"}
	}
	browser.Run(t, "testdata/web.cjs", settings, f.env, 4*patience)
	for id, want := range map[event.TaskID]event.AnswerRequested{asks: {Decision: event.Reply, Text: "right"}, permits: {Decision: event.Allow}} {
		got := payloads[event.AnswerRequested](f, id)
		if len(got) != 1 || got[0].Decision != want.Decision || got[0].Text != want.Text || got[0].Request == "" || got[0].Front != event.FrontPage || (want.Decision == event.Allow) != (got[0].Hash != "") {
			t.Errorf("%s was answered %+v", id, got)
		}
	}
	if got := payloads[event.AnswerRequested](f, late); len(got) != 1 || got[0].Text != "no" || got[0].Front != event.FrontVerb {
		t.Errorf("a stale answer is in the log: %+v", got)
	}
}

// TestPageVerbsAndAPIAgree holds the three front ends to the same answers.
func TestPageVerbsAndAPIAgree(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	done := f.dispatch("write a.txt <<wrong\\n\nusage 1000 50 0.25\ndone\n---\nwrite a.txt <<right\\n\ndone", "--check", "test=grep -q right a.txt", "--name", "greet")
	asks := f.dispatch("once ask permission Bash make deploy\nwrite b.txt <<x\\n\ndone", "--name", "deploy")
	f.reaches(done, event.Done)
	f.reaches(asks, event.Waiting)
	s := f.serve()
	token := f.must("web", "token", "new", "test")
	call := func(method, path, body string) (int, string) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), method, s.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		q.Header.Set("Content-Type", "application/json")
		w, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Body.Close() }()
		data, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.StatusCode, string(data)
	}
	value := func(text string) (v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return durable(v)
	}
	for path, args := range map[string][]string{
		"tasks": {"ls", "--json"}, "tasks?all=true": {"ls", "--all", "--json"}, "tasks/" + string(done): {"show", string(done), "--json"}, "tasks/" + string(asks): {"show", string(asks), "--json"},
		"tasks/" + string(done) + "/checks": {"checks", string(done), "--json"}, "tasks/" + string(done) + "/why": {"why", string(done), "--json"},
		"tasks/" + string(done) + "/diff": {"diff", string(done), "--json"}, "tasks/" + string(done) + "/diff?round=2&from=1": {"diff", string(done), "--round", "2", "--from", "1", "--json"}, "tasks/" + string(done) + "/log?check=test": {"logs", string(done), "--check", "test", "--json"},
		"tasks/" + string(done) + "/log?check=test&round=1&q=EXIT": {"logs", string(done), "--check", "test", "--round", "1", "--grep", "EXIT", "--json"},
		"status": {"status", "--json"}, "report?since=1h": {"report", "--since", "1h", "--json"},
	} {
		status, said := call("GET", "/api/v1/"+path, "")
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, said)
			continue
		}
		if api, verb := value(said), value(f.must(args...)); !reflect.DeepEqual(api, verb) {
			t.Errorf("%s and muster %s differ:\n%v\n%v", path, args, api, verb)
		}
	}
	_, events := call("GET", "/api/v1/events?task="+string(done), "")
	lines := strings.ReplaceAll(f.must("events", "--task", string(done), "--json"), "\n", ",")
	if api, verb := value(events), value("["+lines+"]"); !reflect.DeepEqual(api, verb) {
		t.Errorf("events differ:\n%v\n%v", api, verb)
	}

	// The page says of each task what ls says.
	jar := &oneCookie{}
	client := &http.Client{Jar: jar}
	get := func(address string) string {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Body.Close() }()
		data, err := io.ReadAll(w.Body)
		if err != nil || w.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", address, w.StatusCode, err)
		}
		return string(data)
	}
	home := regexp.MustCompile(`href="(/m/[^"]+/)"`).FindStringSubmatch(get(s.link))[1]
	page := get(s.base + home)
	for _, id := range []event.TaskID{done, asks} {
		row := regexp.MustCompile(`(?s)<tbody id="` + string(id) + `".*?</tbody>`).FindString(page)
		task := f.task(id)
		for _, want := range []string{string(task.State), task.Spec.Name} {
			if !strings.Contains(row, want) {
				t.Errorf("the row of %s lacks %q:\n%s", id, want, row)
			}
		}
	}

	// What one of them refuses, each refuses, in the same words.
	const nowhere = `{"text": "go on"}`
	status, said := call("POST", "/api/v1/tasks/"+string(done)+"/send", nowhere)
	verb := f.run("send", string(done), "go on")
	var problem struct {
		Error struct{ Message, Hint string }
	}
	if err := json.Unmarshal([]byte(said), &problem); err != nil || status != http.StatusConflict || verb.exit != 4 || !strings.Contains(verb.err, strings.TrimPrefix(problem.Error.Message, "send: ")) || !strings.Contains(verb.err, problem.Error.Hint) {
		t.Errorf("a task that has ended: %d %s, muster says %d %s", status, said, verb.exit, verb.err)
	}
	if status, said := call("POST", "/api/v1/tasks/"+string(asks)+"/answer", `{"decision": "allow"}`); status != http.StatusBadRequest || !strings.Contains(said, "hash of what was shown") {
		t.Errorf("allowed unseen: %d %s", status, said)
	}
	open := f.task(asks).Request
	body, err := json.Marshal(map[string]string{"decision": "allow", "request": open.Request, "hash": strings.Repeat("0", len(open.Ask.Hash))})
	if err != nil {
		t.Fatal(err)
	}
	if status, said := call("POST", "/api/v1/tasks/"+string(asks)+"/answer", string(body)); status != http.StatusConflict {
		t.Errorf("another text was allowed: %d %s", status, said)
	}
	if body, err = json.Marshal(map[string]string{"decision": "allow", "request": open.Request, "hash": open.Ask.Hash}); err != nil {
		t.Fatal(err)
	}
	if status, said := call("POST", "/api/v1/tasks/"+string(asks)+"/answer", string(body)); status != http.StatusOK {
		t.Errorf("allowed: %d %s", status, said)
	}
	f.reaches(asks, event.Done)
	if got := payloads[event.AnswerRequested](f, asks); len(got) != 1 || got[0].Front != event.FrontAPI {
		t.Errorf("the answer by the API is in the log as %+v", got)
	}
	status, said = call("POST", "/api/v1/tasks", `{"prompt": "by the API\n\n`+"```sim\\nwrite c.txt <<x\\\\n\\ndone\\n```"+`", "agent": "sim", "name": "api"}`)
	var queued struct{ ID event.TaskID }
	if err := json.Unmarshal([]byte(said), &queued); err != nil || status != http.StatusOK || !event.IsTaskID(string(queued.ID)) {
		t.Fatalf("dispatched: %d %s", status, said)
	}
	f.reaches(queued.ID, event.Done)
	f.must("web", "token", "revoke", "test")
	if status, _ := call("GET", "/api/v1/tasks", ""); status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", status)
	}
	if r := f.run("web"); r.exit != 4 || !strings.Contains(r.err, "served already") {
		t.Errorf("a second page of the fleet: %d %s", r.exit, r.err)
	}
}

// oneCookie keeps every cookie of a test's server, whatever its path.
type oneCookie struct {
	mu  sync.Mutex
	all []*http.Cookie
}

// SetCookies implements http.CookieJar.
func (j *oneCookie) SetCookies(_ *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, cookies...)
}

// Cookies implements http.CookieJar.
func (j *oneCookie) Cookies(*url.URL) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all
}

// durable takes out of an answer what differs from one moment to the next.
func durable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			switch k {
			case "disk", "disk_free", "memory_free", "progress", "progress_seconds", "since", "until", "busy_hours", "hours", "watched", "judged":
				delete(v, k)
			default:
				v[k] = durable(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = durable(v[i])
		}
	}
	return v
}

// TestThePageStaysInTheFleet: muster web --stay outlives the terminal, and is found by --link.
func TestThePageStaysInTheFleet(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	link := f.must("web", "--stay", "--read-only", "--socket")
	if !regexp.MustCompile(`^http://127\.0\.0\.1:7331/in/\S+$`).MatchString(link) {
		t.Fatalf("it prints %q", link)
	}
	if st, err := os.Stat(f.home + "/web/web.sock"); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v %v", st, err)
	}
	if again := f.must("web", "--stay"); again == link || !strings.Contains(again, "/in/") {
		t.Errorf("a second time it prints %q", again)
	}
	if other := f.must("web", "--link"); other == link {
		t.Errorf("the link is the same: %q", other)
	}
	f.must("down")
}
