package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/control"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/intake"
)

// host is what the browser of these tests asks for.
const host = "127.0.0.1:7331"

// rig is a server without listeners, of a fleet that was never up.
type rig struct {
	*Server
	t   *testing.T
	now time.Time
}

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 26, 22, 0, 0, 0, time.UTC)}
	env := []string{environ.Home + "=" + filepath.Join(t.TempDir(), "home")}
	c, err := control.Open(boot.Caller{Environ: env, Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Control: c, Hosts: LoopbackHosts(7331), Now: func() time.Time { return r.now },
		Order: func(context.Context, intake.Order) (intake.Task, error) {
			return intake.Task{}, errors.New("no orders here")
		},
	}
	for _, f := range change {
		f(&o)
	}
	r.Server = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.hub.follow(ctx, c)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		r.viewer.Close()
		_ = c.Close()
	})
	return r
}

// request returns a request of a browser that goes to this server itself.
func (r *rig) request(method, path, body string, header ...string) *http.Request {
	r.t.Helper()
	q := httptest.NewRequestWithContext(r.t.Context(), method, path, strings.NewReader(body))
	q.Host = host
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
		q.Header.Set(header[i], header[i+1])
	}
	return q
}

func (r *rig) send(q *http.Request) *httptest.ResponseRecorder {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, q)
	return w
}

func (r *rig) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	return r.send(r.request(method, path, body, header...))
}

// enter signs a browser in and returns its cookie.
func (r *rig) enter() *http.Cookie {
	r.t.Helper()
	link, err := Link(r.o.Control, "")
	if err != nil {
		r.t.Fatal(err)
	}
	w := r.do("GET", link, "")
	all := w.Result().Cookies()
	if w.Code != http.StatusOK || len(all) != 1 {
		r.t.Fatalf("the link answers %d: %s", w.Code, w.Body)
	}
	return all[0]
}

// page asks for a page below the secret prefix as a browser that is signed in.
func (r *rig) page(method, path, body string, c *http.Cookie, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	q := r.request(method, r.prefix+path, body, header...)
	q.AddCookie(c)
	return r.send(q)
}

func (r *rig) token(readOnly bool) string {
	r.t.Helper()
	_, token, err := r.o.Control.NewToken(r.t.Context(), "test"+map[bool]string{true: " reader"}[readOnly], readOnly)
	if err != nil {
		r.t.Fatal(err)
	}
	return "Bearer " + token
}

func TestEveryAnswerForbidsScriptsOfOthersAndFrames(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	answers := map[string]*httptest.ResponseRecorder{
		"a page": r.page("GET", "/", "", c), "no page": r.page("GET", "/nothing", "", c), "a stranger": r.do("GET", "/", ""), "a spent link": r.do("GET", "/in/x", ""),
		"another host": r.do("GET", "/", "", "Host", "evil.example"), "another site": r.do("POST", r.prefix+"/out", "", "Sec-Fetch-Site", "cross-site"),
		"the API": r.do("GET", "/api/v1/tasks", ""), "the script": r.page("GET", "/app.js", "", c),
	}
	for name, w := range answers {
		for header, want := range map[string]string{
			"Content-Security-Policy": `^default-src 'none'; script-src 'self'; style-src 'self'; .*form-action 'self'; frame-ancestors 'none'; base-uri 'none'$`,
			"X-Content-Type-Options":  "^nosniff$", "Referrer-Policy": "^no-referrer$", "Cross-Origin-Opener-Policy": "^same-origin$",
			"Cross-Origin-Resource-Policy": "^same-origin$", "Cache-Control": "^no-store$", "Access-Control-Allow-Origin": "^$",
		} {
			if got := w.Header().Get(header); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		if got := w.Header().Get("Content-Security-Policy"); strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
			t.Errorf("%s: the policy is %q", name, got)
		}
	}
}

func TestOnlyNamesOfThisMachineAreAnswered(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Hosts = append(o.Hosts, "fleet.example") })
	c := r.enter()
	for _, name := range []string{"127.0.0.1:7331", "[::1]:7331", "localhost:7331", "fleet.example"} {
		if w := r.page("GET", "/", "", c, "Host", name); w.Code != http.StatusOK {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, name := range []string{
		"", "127.0.0.1", "127.0.0.1:7332", "localhost", "evil.example:7331", "127.0.0.1:7331.evil.example", "localhost:7331@evil.example", "fleet.example:80", "sub.fleet.example", "0.0.0.0:7331", "127.1:7331",
	} {
		for _, path := range []string{r.prefix + "/", "/", "/in/x", "/api/v1/tasks"} {
			q := r.request("GET", path, "", "Host", name, "Origin", "http://"+name, "X-Forwarded-Host", host)
			q.AddCookie(c)
			if w := r.send(q); w.Code != http.StatusMisdirectedRequest {
				t.Errorf("%q %s: %d", name, path, w.Code)
			}
		}
	}
}

func TestARequestOfAnotherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"}, // another port of this machine
		{"Origin", "http://127.0.0.1:8080"},
		{"Origin", "null"},
		{"Origin", "http://evil.example"},
	} {
		for _, path := range []string{"/out", "/dispatch", "/tasks/t1/answer", "/tasks/t1/stop", "/tasks/t1/retry", "/tasks/t1/rm"} {
			if w := r.page("POST", path, "", c, header...); w.Code != http.StatusForbidden {
				t.Errorf("%v %s: %d", header, path, w.Code)
			}
		}
		if w := r.do("POST", "/api/v1/tasks", "{}", append(header, "Authorization", r.tokenOnce(), "Content-Type", "application/json")...); w.Code != http.StatusForbidden {
			t.Errorf("%v, the API: %d", header, w.Code)
		}
	}
	if c.SameSite != http.SameSiteStrictMode || !c.HttpOnly {
		t.Errorf("the cookie is %v", c)
	}
	if w := r.page("GET", "/", "", c); w.Code != http.StatusOK {
		t.Errorf("still signed in: %d", w.Code)
	}
	if w := r.page("POST", "/out", "", c, "Sec-Fetch-Site", "same-origin"); w.Code != http.StatusSeeOther && w.Code != http.StatusOK {
		t.Errorf("its own form: %d %s", w.Code, w.Body)
	}
	if w := r.page("GET", "/", "", c); w.Code != http.StatusUnauthorized {
		t.Errorf("after the own form: %d", w.Code)
	}
}

// tokenOnce returns a token, the same for each call.
func (r *rig) tokenOnce() string {
	all, err := r.o.Control.Tokens()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, t := range all {
		if err := r.o.Control.RevokeToken(r.t.Context(), t.Name); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.token(false)
}

func TestNothingIsChangedByGet(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, token := r.enter(), r.token(false)
	for _, path := range []string{"/out", "/dispatch?prompt=x", "/tasks/t1/answer?decision=deny", "/tasks/t1/stop", "/tasks/t1/send?text=x", "/tasks/t1/retry", "/tasks/t1/interrupt", "/tasks/t1/seen"} {
		for _, method := range []string{"GET", "HEAD"} {
			if w := r.page(method, path, "", c); path != "/dispatch?prompt=x" && w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNotFound {
				t.Errorf("%s %s: %d", method, path, w.Code)
			}
		}
	}
	for _, o := range operations() {
		if o.method == http.MethodGet {
			continue
		}
		path := apiPrefix + strings.Replace(o.path, "{id}", "t1", 1)
		if w := r.do("GET", path, "", "Authorization", token); w.Code == http.StatusOK && o.path != "tasks" {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	if w := r.page("GET", "/", "", c); w.Code != http.StatusOK {
		t.Errorf("a GET has ended the session: %d", w.Code)
	}
}

func TestNobodyIsLetInByAddressOrProxy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	for name, q := range map[string]*http.Request{
		"the peer is this machine":  r.request("GET", r.prefix+"/", ""),
		"a proxy says so":           r.request("GET", r.prefix+"/", "", "X-Forwarded-For", "127.0.0.1", "X-Real-IP", "127.0.0.1", "Forwarded", "for=127.0.0.1"),
		"a name of a user":          r.request("GET", r.prefix+"/", "", "X-Remote-User", "root", "Remote-User", "root", "X-Forwarded-User", "root"),
		"a token is for the API":    r.request("GET", r.prefix+"/", "", "Authorization", r.token(false)),
		"an empty cookie":           r.request("GET", r.prefix+"/", "", "Cookie", c.Name+"="),
		"another value":             r.request("GET", r.prefix+"/", "", "Cookie", c.Name+"="+token(32)),
		"the value of another name": r.request("GET", r.prefix+"/", "", "Cookie", "session="+c.Value),
		"a stream":                  r.request("GET", r.prefix+"/events", ""),
		"a form":                    r.request("POST", r.prefix+"/tasks/t1/stop", ""),
	} {
		q.RemoteAddr = "127.0.0.1:1"
		if w := r.send(q); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	for _, path := range []string{"/m/", "/m/" + token(16) + "/", "/tasks/t1", "/events", "/app.js", "/../m/", "/m/..%2f"} {
		q := r.request("GET", path, "")
		q.AddCookie(c)
		if w := r.send(q); w.Code == http.StatusOK {
			t.Errorf("%s: %d without the secret prefix", path, w.Code)
		}
	}
	for name, header := range map[string][]string{
		"no token": {}, "the cookie": {"Cookie", c.Name + "=" + c.Value}, "an empty token": {"Authorization", "Bearer "}, "another scheme": {"Authorization", "Basic " + strings.TrimPrefix(r.tokenOnce(), "Bearer ")},
		"a hash": {"Authorization", "Bearer muster_0000"},
	} {
		for _, o := range operations() {
			w := r.do(o.method, apiPrefix+strings.Replace(o.path, "{id}", "t1", 1), "{}", append(header, "Content-Type", "application/json")...)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s, %s %s: %d", name, o.method, o.path, w.Code)
			}
		}
	}
	if w := r.do("GET", "/api/v1/tasks?token="+strings.TrimPrefix(r.tokenOnce(), "Bearer "), ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a token in the address: %d", w.Code)
	}
}

func TestALinkIsGoodOnceAndASessionEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	link, err := Link(r.o.Control, "")
	if err != nil {
		t.Fatal(err)
	}
	if w := r.do("HEAD", link, ""); len(w.Result().Cookies()) != 0 { // a program that looks at links
		t.Error("HEAD signs in")
	}
	w := r.do("GET", link, "")
	if w.Code != http.StatusOK || len(w.Result().Cookies()) != 1 {
		t.Fatalf("the link: %d", w.Code)
	}
	c := w.Result().Cookies()[0]
	if strings.Contains(w.Body.String()+w.Header().Get("Refresh"), c.Value) || strings.Contains(r.prefix, "in/") {
		t.Error("the secret of the session stands in the page")
	}
	if c.Path != r.prefix+"/" || len(r.prefix) < len("/m/")+22 {
		t.Errorf("the cookie goes to %q", c.Path)
	}
	if again := r.do("GET", link, ""); again.Code != http.StatusUnauthorized || len(again.Result().Cookies()) != 0 {
		t.Errorf("the link again: %d", again.Code)
	}
	late, err := Link(r.o.Control, "")
	if err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(3 * time.Minute)
	if w := r.do("GET", late, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("the link after three minutes: %d", w.Code)
	}
	if w := r.page("GET", "/", "", c); w.Code != http.StatusOK {
		t.Errorf("the session after three minutes: %d", w.Code)
	}
	r.now = r.now.Add(12 * time.Hour)
	if w := r.page("GET", "/", "", c); w.Code != http.StatusUnauthorized {
		t.Errorf("the session after twelve hours: %d", w.Code)
	}
	other := newRig(t)
	if w := other.page("GET", "/", "", other.enter()); w.Code != http.StatusOK {
		t.Errorf("another fleet: %d", w.Code)
	}
	if other.cookie == r.cookie || other.prefix == r.prefix {
		t.Error("two fleets have the same cookie")
	}
}

func TestReadOnlyChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.ReadOnly = true })
	c, token := r.enter(), r.token(false)
	for _, path := range []string{"/dispatch", "/tasks/t1/answer", "/tasks/t1/send", "/tasks/t1/stop", "/tasks/t1/retry", "/tasks/t1/interrupt", "/tasks/t1/seen", "/tasks/t1/rm"} {
		if w := r.page("POST", path, "", c); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "reading only") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := r.do("POST", "/api/v1/tasks/t1/stop", "", "Authorization", token, "Content-Type", "application/json"); w.Code != http.StatusForbidden {
		t.Errorf("the API: %d", w.Code)
	}
	if w := r.do("GET", "/api/v1/tasks", "", "Authorization", token); w.Code != http.StatusOK {
		t.Errorf("reading: %d %s", w.Code, w.Body)
	}
	// A token for reading changes nothing at a server that may.
	r = newRig(t)
	reader := r.token(true)
	for _, o := range operations() {
		w := r.do(o.method, apiPrefix+strings.Replace(o.path, "{id}", "t1", 1), "{}", "Authorization", reader, "Content-Type", "application/json")
		if forbidden := w.Code == http.StatusForbidden; forbidden != (o.method != http.MethodGet) {
			t.Errorf("%s %s: %d", o.method, o.path, w.Code)
		}
	}
}

func TestTheAPITakesNoCommandLine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	token := r.token(false)
	for _, body := range []string{
		`{"prompt": "x", "command": "sh -c evil"}`, `{"prompt": "x", "checks": ["a=evil"]}`, `{"prompt": "x", "check": ["a=evil"]}`, `{"prompt": "x", "setup": "evil"}`,
		`{"prompt": "x", "env": ["A=b"]}`, `{"prompt": "x", "fence": "off"}`, `{"prompt": "x", "no_checks": true}`, `{"prompt": "x", "repo": "/tmp"}`, `{"prompt": "x", "repo": "../x"}`, `{"prompt": "x"} {}`, `[`,
	} {
		w := r.do("POST", "/api/v1/tasks", body, "Authorization", token, "Content-Type", "application/json")
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded"} { // what a form of another site can send
		if w := r.do("POST", "/api/v1/tasks/t1/stop", "{}", "Authorization", token, "Content-Type", kind); w.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", kind, w.Code)
		}
	}
}

func TestALargeBodyIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.enter()
	large := "text=" + strings.Repeat("x", maxBody+1)
	if w := r.page("POST", "/tasks/t1/send", large, c); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("with its length: %d", w.Code)
	}
	q := r.request("POST", r.prefix+"/tasks/t1/send", large)
	q.ContentLength = -1
	q.AddCookie(c)
	if w := r.send(q); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("without its length: %d", w.Code)
	}
	q = r.request("POST", "/api/v1/tasks", `{"prompt": "`+strings.Repeat("x", maxBody)+`"}`, "Authorization", r.token(false), "Content-Type", "application/json")
	q.ContentLength = -1
	if w := r.send(q); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("the API: %d %s", w.Code, w.Body)
	}
}

func TestItListensOnThisMachineOnly(t *testing.T) {
	t.Parallel()
	all, err := Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok || !a.IP.IsLoopback() || a.Port != Port(all[0]) {
			t.Errorf("it listens on %v", l.Addr())
		}
	}
	if _, err := Listen(t.Context(), Port(all[0])); !fault.Is(err, fault.Conflict) {
		t.Errorf("a port that is taken: %v", err)
	}
	for _, l := range all {
		_ = l.Close()
	}
	var lc net.ListenConfig
	six, err := lc.Listen(t.Context(), "tcp6", "[::1]:0")
	if err != nil {
		return // a machine without IPv6
	}
	defer func() { _ = six.Close() }()
	if _, err := Listen(t.Context(), Port(six)); !fault.Is(err, fault.Conflict) {
		t.Errorf("a port whose other half belongs to another program: %v", err)
	}
}

func TestASocketIsForItsOwner(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "m-web-") // short, because the path of a socket is below it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", st.Mode(), err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // this is what the test is about
		t.Fatal(err)
	}
	if _, err := ListenSocket(t.Context(), path+"2"); err == nil {
		t.Error("it listens in a directory of everybody")
	}
}

func TestTheServerHasLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := New(r.o)
	go func() { done <- s.Serve(ctx, l) }()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", maxHeader+8<<10) + "\r\n\r\n"))
	answer, err := io.ReadAll(conn)
	if err != nil && !bytes.Contains(answer, []byte("431")) || !bytes.Contains(answer, []byte(" 431 ")) {
		t.Errorf("a long header: %v %q", err, answer)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if headerTime > 5*time.Second || readTime > time.Minute || maxBody > 128<<10 || mostStreams > 64 || mostStreamsEach > 4 {
		t.Error("a limit was raised")
	}
}
