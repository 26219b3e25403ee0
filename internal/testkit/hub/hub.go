package hub

import (
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"muster/internal/run"
)

// Token is the password that the server accepts, with any name.
const Token = "ghp_exampleTokenOfNobody"

// Fault is what the server does with a request instead of serving it.
type Fault int

// The faults.
const (
	None        Fault = iota
	Unavailable       // it answers 503
	Forbidden         // it answers 403
	Refused           // it answers 401, whatever the token
	Cut               // it hangs up before it has served the request
	Lost              // it serves the request and hangs up instead of answering
	Secondary         // the API answers with its secondary limit
)

// Hub is a forge on loopback. It is safe for concurrent use.
type Hub struct {
	// URL is that of the server, without a slash at its end. A repository is URL/NAME.git.
	URL string
	// Dir is the directory with the bare repositories.
	Dir string

	t   testing.TB
	git string

	mu       sync.Mutex
	fault    func(r *http.Request) Fault
	requests []string
	api      api
}

// Start starts a server that ends with the test. git is the path of that program.
func Start(t testing.TB, git string) *Hub {
	t.Helper()
	h := &Hub{t: t, git: git, Dir: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(server.Close)
	h.URL = server.URL
	return h
}

// recording is the hook of a repository that writes each update to the file pushes, and each forced one to the file forced.
const recording = `#!/bin/sh
while read -r old new ref; do
	echo "$ref $old $new" >> pushes
	case $old in *[!0]*) git merge-base --is-ancestor "$old" "$new" || echo "$ref $old $new" >> forced ;; esac
done
`

// Repo makes an empty bare repository and returns its path.
func (h *Hub) Repo(name string) string {
	h.t.Helper()
	path := filepath.Join(h.Dir, name+".git")
	res, err := run.Do(h.t.Context(), run.Cmd{
		Argv: []string{h.git, "init", "-q", "--bare", "-b", "main", path}, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir},
	})
	if err != nil {
		h.t.Fatalf("make the repository %s: %v\n%s", name, err, res.Stderr)
	}
	h.Hook(name, "post-receive", recording)
	return path
}

// Hook writes a hook of a repository, which replaces the one of that name.
func (h *Hub) Hook(name, hook, script string) {
	h.t.Helper()
	dir := filepath.Join(h.Dir, name+".git", "hooks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, hook), []byte(script), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// Pushes returns the updates that a repository accepted, one a line: ref, old commit, new commit.
func (h *Hub) Pushes(name string) []string { return h.lines(name, "pushes") }

// Forced returns those of Pushes that dropped commits.
func (h *Hub) Forced(name string) []string { return h.lines(name, "forced") }

func (h *Hub) lines(name, file string) []string {
	b, err := os.ReadFile(filepath.Join(h.Dir, name+".git", file))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// Break lets the server do what fault returns with each request from now on. nil mends it.
func (h *Hub) Break(fault func(r *http.Request) Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault = fault
}

// Requests returns the method and the path of each request so far.
func (h *Hub) Requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.requests...)
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests = append(h.requests, r.Method+" "+r.URL.RequestURI())
	fault := None
	if h.fault != nil {
		fault = h.fault(r)
	}
	h.mu.Unlock()
	_, password, _ := r.BasicAuth()
	switch {
	case fault == Unavailable:
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
	case fault == Cut:
		hangUp(w)
	case fault == Refused || password != Token:
		w.Header().Set("WWW-Authenticate", `Basic realm="hub"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case fault == Forbidden:
		http.Error(w, "you may not", http.StatusForbidden)
	case fault == Lost:
		h.backend(httptest.NewRecorder(), r)
		hangUp(w)
	default:
		h.backend(w, r)
	}
}

// backend serves git's own protocol.
func (h *Hub) backend(w http.ResponseWriter, r *http.Request) {
	(&cgi.Handler{
		Path: h.git, Args: []string{"http-backend"}, Dir: h.Dir,
		Env: []string{"GIT_PROJECT_ROOT=" + h.Dir, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", "HOME=" + h.Dir, "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1"},
	}).ServeHTTP(w, r)
}

// hangUp closes the connection of a request without an answer.
func hangUp(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
