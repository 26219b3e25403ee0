package hub

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/internal/run"
)

// Host is the name under which gh knows the server.
const Host = "github.com"

// Login is the name of the login that Token is of.
const Login = "muster-bot"

// Check is a check of a commit. The zero time of Ended means that it has not ended.
type Check struct {
	Name       string
	Conclusion string    // success, failure, cancelled, …
	Began      time.Time // when it was queued or started; zero if that is not known
	Ended      time.Time
	Log        string
	Never      bool // it was never started
	Status     bool // it is a commit status and no check run
	id         int
}

// Word is a comment or, with a State, a review.
type Word struct {
	Author, Association, Body string
	State                     string // of a review: APPROVED, CHANGES_REQUESTED, COMMENTED
	Path                      string // of a comment of a review
	Line                      int
	Resolved                  bool // the thread of such a comment
	At                        time.Time
	id                        int
}

// Pull is a pull request of the server.
type Pull struct {
	Number            int
	Title, Body       string
	Head, Base        string // branches
	State             string // OPEN, MERGED, CLOSED
	By                string // who closed it
	Conflict          bool
	checks            map[string][]Check // by commit
	words             []Word
	repo, commit, url string
	fixed             bool // it has no branch
}

// api is the state behind the API.
type api struct {
	pulls    map[string][]*Pull // by repository, OWNER/NAME
	issues   map[string][]*Issue
	writers  map[string]bool // logins that may write although the API calls them strangers
	triagers map[string]bool
	blind    bool // the login may not read checks
	limit    int
	left     int
	sequence int
}

// SetUp serves the API of Host on a socket, and writes the configuration of gh into a home directory. What GET and POST do
// there is in Requests as METHOD /path.
func (h *Hub) SetUp(home string) {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "hub-") // the path of a socket must be short
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := (&net.ListenConfig{}).Listen(h.t.Context(), "unix", socket)
	if err != nil {
		h.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(h.serveAPI), ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	h.t.Cleanup(func() { _ = server.Close(); <-served })
	h.login(home, "http_unix_socket: "+socket+"\n")
}

// login writes the configuration of gh with a login into a home directory.
func (h *Hub) login(home, settings string) {
	h.t.Helper()
	config := filepath.Join(home, ".config", "gh")
	if err := os.MkdirAll(config, 0o700); err != nil {
		h.t.Fatal(err)
	}
	for name, content := range map[string]string{
		"config.yml": settings,
		"hosts.yml":  Host + ":\n    oauth_token: " + Token + "\n    user: " + Login + "\n    git_protocol: https\n",
	} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(content), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

// Pulls returns copies of the pull requests of a repository, OWNER/NAME.
func (h *Hub) Pulls(repo string) (out []Pull) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.api.pulls[repo] {
		out = append(out, *p)
	}
	return out
}

// Put adds an open pull request of a branch that does not exist, and returns its number.
func (h *Hub) Put(repo, head, base, commit string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(repo, Pull{Title: head, Head: head, Base: base, commit: commit, fixed: true}).Number
}

// add adds an open pull request. The caller holds mu.
func (h *Hub) add(repo string, p Pull) *Pull {
	p.Number, p.State, p.repo = h.number(repo), "OPEN", repo
	p.url = fmt.Sprintf("https://%s/%s/pull/%d", Host, repo, p.Number)
	if h.api.pulls == nil {
		h.api.pulls = map[string][]*Pull{}
	}
	h.api.pulls[repo] = append(h.api.pulls[repo], &p)
	return &p
}

// Change changes a pull request.
func (h *Hub) Change(repo string, number int, change func(p *Pull)) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.api.pulls[repo] {
		if p.Number == number {
			change(p)
			return
		}
	}
	h.t.Fatalf("there is no pull request %d of %s", number, repo)
}

// Check sets the checks of the newest commit of a pull request.
func (h *Hub) Check(repo string, number int, checks ...Check) {
	h.t.Helper()
	h.Change(repo, number, func(p *Pull) {
		for i := range checks {
			h.api.sequence++
			checks[i].id = h.api.sequence
		}
		if p.checks == nil {
			p.checks = map[string][]Check{}
		}
		p.checks[h.head(p)] = checks
	})
}

// Say adds a comment or a review.
func (h *Hub) Say(repo string, number int, w Word) {
	h.t.Helper()
	h.Change(repo, number, func(p *Pull) {
		h.api.sequence++
		w.id = h.api.sequence
		p.words = append(p.words, w)
	})
}

// Writer lets a login write to all repositories, as a private member of their organisation, which the API shows as a stranger.
func (h *Hub) Writer(login string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.api.writers == nil {
		h.api.writers = map[string]bool{}
	}
	h.api.writers[login] = true
}

// Triage lets a login set labels in all repositories, and write to none.
func (h *Hub) Triage(login string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.api.triagers == nil {
		h.api.triagers = map[string]bool{}
	}
	h.api.triagers[login] = true
}

// HideChecks lets the API refuse to show checks, as it does to a fine-grained token.
func (h *Hub) HideChecks() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.api.blind = true
}

// Limit sets how many requests are left of 5,000.
func (h *Hub) Limit(left int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.api.limit, h.api.left = 5000, left
}

// head returns the commit of a pull request: that of its branch while it is open.
func (h *Hub) head(p *Pull) string {
	if p.State != "OPEN" || p.fixed {
		return p.commit
	}
	if c := h.branch(p.repo, p.Head); c != "" {
		p.commit = c
	}
	return p.commit
}

// branch returns the commit of a branch; "" if it does not exist.
func (h *Hub) branch(repo, name string) string {
	res, err := run.Do(h.t.Context(), run.Cmd{
		Argv: []string{h.git, "--git-dir=" + filepath.Join(h.Dir, repo+".git"), "rev-parse", "-q", "--verify", "refs/heads/" + name},
		Env:  []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir},
	})
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(res.Stdout))
}

func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r.Method+" "+r.URL.RequestURI())
	fault := None
	if h.fault != nil {
		fault = h.fault(r)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if h.api.limit > 0 {
		w.Header().Set("X-Ratelimit-Limit", strconv.Itoa(h.api.limit))
		w.Header().Set("X-Ratelimit-Remaining", strconv.Itoa(h.api.left))
		w.Header().Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
	}
	switch {
	case fault == Unavailable:
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html>Unicorn!</html>"))
		return
	case fault == Cut:
		hangUp(w)
		return
	case fault == Refused || r.Header.Get("Authorization") != "token "+Token:
		say(w, http.StatusUnauthorized, map[string]any{"message": "Bad credentials"})
		return
	case fault == Forbidden:
		say(w, http.StatusForbidden, map[string]any{"message": "Resource not accessible by personal access token"})
		return
	case fault == Secondary:
		w.Header().Set("Retry-After", "7")
		say(w, http.StatusForbidden, map[string]any{"message": "You have exceeded a secondary rate limit"})
		return
	case h.api.limit > 0 && h.api.left == 0 && strings.HasSuffix(r.URL.Path, "/graphql"):
		say(w, http.StatusOK, map[string]any{"errors": []any{map[string]any{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}}})
		return
	case h.api.limit > 0 && h.api.left == 0:
		say(w, http.StatusForbidden, map[string]any{"message": "API rate limit exceeded"})
		return
	}
	status, value := h.answer(w, r)
	switch text, plain := value.(string); {
	case fault == Lost:
		hangUp(w)
	case plain:
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	default:
		say(w, status, value)
	}
}

func say(w http.ResponseWriter, status int, value any) {
	w.WriteHeader(status)
	if value != nil {
		_ = json.NewEncoder(w).Encode(value)
	}
}

// answer serves one request of the API.
func (h *Hub) answer(w http.ResponseWriter, r *http.Request) (int, any) {
	notFound := map[string]any{"message": "Not Found"}
	path := strings.Trim(r.URL.Path, "/")
	if path == "user" {
		return http.StatusOK, map[string]any{"login": Login}
	}
	if path == "graphql" {
		return h.graphQL(r)
	}
	p := strings.Split(path, "/")
	if len(p) < 3 || p[0] != "repos" {
		return http.StatusNotFound, notFound
	}
	repo := p[1] + "/" + p[2]
	if _, err := os.Stat(filepath.Join(h.Dir, repo+".git")); err != nil {
		return http.StatusNotFound, notFound
	}
	switch rest := strings.Join(p[3:], "/"); {
	case rest == "":
		return http.StatusOK, map[string]any{"full_name": repo, "archived": false, "permissions": map[string]any{"push": true}}
	case p[3] == "issues":
		return h.issuesAPI(w, r, repo, p[4:])
	case rest == "pulls" && r.Method == http.MethodPost:
		return h.open(r, repo)
	case rest == "pulls":
		return http.StatusOK, h.list(r, repo)
	case len(p) == 6 && p[3] == "collaborators" && p[5] == "permission":
		permission, role := "read", "read"
		switch {
		case h.api.writers[p[4]]:
			permission, role = "write", "write"
		case h.api.triagers[p[4]]:
			role = "triage"
		}
		return http.StatusOK, map[string]any{"permission": permission, "role_name": role}
	case len(p) == 7 && p[3] == "actions" && p[6] == "logs":
		for _, pull := range h.api.pulls[repo] {
			for _, checks := range pull.checks {
				for _, c := range checks {
					if strconv.Itoa(c.id) == p[5] {
						return http.StatusOK, c.Log
					}
				}
			}
		}
	}
	return http.StatusNotFound, notFound
}

// list returns pull requests as the API filters them: a head without an owner is no filter.
func (h *Hub) list(r *http.Request, repo string) []any {
	out := []any{}
	owner, branch, ok := strings.Cut(r.URL.Query().Get("head"), ":")
	for _, p := range h.api.pulls[repo] {
		if ok && (branch != p.Head || owner != strings.Split(repo, "/")[0]) || r.URL.Query().Get("state") != "all" && p.State != "OPEN" {
			continue
		}
		out = append(out, h.rest(p))
	}
	return out
}

func (h *Hub) rest(p *Pull) map[string]any {
	state, merged := "open", any(nil)
	if p.State != "OPEN" {
		state = "closed"
	}
	if p.State == "MERGED" {
		merged = time.Now().UTC().Format(time.RFC3339)
	}
	end := func(branch, commit string) map[string]any {
		return map[string]any{"ref": branch, "sha": commit, "repo": map[string]any{"full_name": p.repo}}
	}
	return map[string]any{
		"number": p.Number, "html_url": p.url, "state": state, "merged_at": merged, "title": p.Title, "body": p.Body,
		"head": end(p.Head, h.head(p)), "base": end(p.Base, h.branch(p.repo, p.Base)),
	}
}

// open opens a pull request, or refuses as GitHub does.
func (h *Hub) open(r *http.Request, repo string) (int, any) {
	var want struct{ Title, Body, Head, Base string }
	refused := func(text string) (int, any) {
		return http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"message": text}}}
	}
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil {
		return http.StatusBadRequest, map[string]any{"message": "Problems parsing JSON"}
	}
	head := h.branch(repo, want.Head)
	switch {
	case want.Title == "":
		return refused("title can't be blank")
	case head == "" || h.branch(repo, want.Base) == "":
		return refused("Head ref must be a branch")
	case head == h.branch(repo, want.Base):
		return refused("No commits between " + want.Base + " and " + want.Head)
	}
	for _, p := range h.api.pulls[repo] {
		if p.Head == want.Head && p.Base == want.Base && p.State == "OPEN" {
			return refused("A pull request already exists for " + strings.Split(repo, "/")[0] + ":" + want.Head + ".")
		}
	}
	p := h.add(repo, Pull{Title: want.Title, Body: want.Body, Head: want.Head, Base: want.Base, commit: head})
	return http.StatusCreated, h.rest(p)
}

// graphQL answers a query.
func (h *Hub) graphQL(r *http.Request) (status int, value any) {
	var q struct {
		Query     string
		Variables map[string]string
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return http.StatusBadRequest, map[string]any{"message": "Problems parsing JSON"}
	}
	defer func() {
		if wrong := recover(); wrong != nil {
			status, value = http.StatusOK, map[string]any{"errors": []any{map[string]any{"message": fmt.Sprint(wrong)}}}
		}
	}()
	top, fragments := parseQuery(q.Query)
	errs := []any{}
	root := object{"Query", map[string]any{"repository": func(f field) any {
		repo := q.Variables[strings.TrimPrefix(f.args["owner"], "$")] + "/" + q.Variables[strings.TrimPrefix(f.args["name"], "$")]
		if _, err := os.Stat(filepath.Join(h.Dir, repo+".git")); err != nil {
			errs = append(errs, map[string]any{"type": "NOT_FOUND", "path": []any{f.alias}, "message": "Could not resolve to a Repository with the name '" + repo + "'."})
			return nil
		}
		return object{"Repository", map[string]any{"issue": func(f field) any {
			n, _ := strconv.Atoi(f.args["number"])
			for i := range f.fields { // a variable as an argument
				if name, ok := strings.CutPrefix(f.fields[i].args["after"], "$"); ok {
					f.fields[i].args["after"] = q.Variables[name]
				}
			}
			if i := h.issue(repo, n); i != nil {
				return i.node(repo)
			}
			errs = append(errs, map[string]any{"type": "NOT_FOUND", "path": []any{"repository", f.alias}, "message": "Could not resolve to an Issue with the number of " + f.args["number"] + "."})
			return nil
		}, "pullRequest": func(f field) any {
			n, _ := strconv.Atoi(f.args["number"])
			for _, p := range h.api.pulls[repo] {
				if p.Number != n {
					continue
				}
				if h.api.blind {
					errs = append(errs, map[string]any{
						"type": "FORBIDDEN", "path": []any{"repository", f.alias, "commits", "nodes", 0, "commit", "statusCheckRollup"},
						"message": "Resource not accessible by personal access token",
					})
				}
				return h.node(p)
			}
			errs = append(errs, map[string]any{
				"type": "NOT_FOUND", "path": []any{"repository", f.alias}, "message": "Could not resolve to a PullRequest with the number of " + f.args["number"] + ".",
			})
			return nil
		}}}
	}}}
	out := map[string]any{"data": project(root, top, fragments)}
	if len(errs) > 0 {
		out["errors"] = errs
	}
	return http.StatusOK, out
}

// node returns a pull request as GraphQL has it.
func (h *Hub) node(p *Pull) object {
	head := h.head(p)
	mergeable, rollup := "MERGEABLE", any(nil)
	if p.Conflict {
		mergeable = "CONFLICTING"
	}
	var checks []object
	for _, c := range p.checks[head] {
		checks = append(checks, c.node(p))
	}
	if checks != nil && !h.api.blind {
		rollup = object{"StatusCheckRollup", map[string]any{"contexts": nodes("StatusCheckRollupContext", checks)}}
	}
	var closed []object
	if p.State != "OPEN" {
		closed = append(closed, object{"ClosedEvent", map[string]any{"actor": object{"User", map[string]any{"login": p.By}}}})
	}
	var reviews, threads, comments []object
	for _, w := range p.words {
		o := w.node()
		switch {
		case w.State == "":
			comments = append(comments, o)
			continue
		case w.Path != "":
			o.values["pullRequestReview"] = object{"PullRequestReview", map[string]any{"state": w.State}}
			threads = append(threads, object{"PullRequestReviewThread", map[string]any{
				"isResolved": w.Resolved, "path": w.Path, "line": w.Line, "comments": nodes("PullRequestReviewComment", []object{o}),
			}})
			w.Body, w.id = "", w.id+100_000
		}
		reviews = append(reviews, w.node())
	}
	commit := object{"Commit", map[string]any{"oid": head, "statusCheckRollup": rollup}}
	return object{"PullRequest", map[string]any{
		"number": p.Number, "state": p.State, "headRefOid": head, "baseRefName": p.Base, "mergeable": mergeable,
		"timelineItems": nodes("PullRequestTimelineItems", closed),
		"commits":       nodes("PullRequestCommit", []object{{"PullRequestCommit", map[string]any{"commit": commit}}}),
		"reviews":       nodes("PullRequestReview", reviews), "comments": nodes("IssueComment", comments),
		"reviewThreads": nodes("PullRequestReviewThread", threads),
	}}
}

func (c Check) node(p *Pull) object {
	ended := any(nil)
	if !c.Ended.IsZero() {
		ended = c.Ended.UTC().Format(time.RFC3339)
	}
	if c.Status {
		state := "PENDING"
		if ended != nil {
			state = upper(c.Conclusion)
		}
		return object{"StatusContext", map[string]any{"context": c.Name, "state": state, "description": "", "targetUrl": nil, "createdAt": ended}}
	}
	began := any(nil)
	if !c.Began.IsZero() {
		began = c.Began.UTC().Format(time.RFC3339)
	}
	status, conclusion, steps := "IN_PROGRESS", any(nil), 3
	if ended != nil {
		status, conclusion = "COMPLETED", upper(c.Conclusion)
	}
	if c.Never {
		steps = 0
	}
	return object{"CheckRun", map[string]any{
		"name": c.Name, "status": status, "conclusion": conclusion, "startedAt": began, "completedAt": ended, "databaseId": c.id, "title": nil,
		"detailsUrl": fmt.Sprintf("https://%s/%s/actions/runs/1/job/%d", Host, p.repo, c.id),
		"steps":      object{"CheckStepConnection", map[string]any{"totalCount": steps}},
	}}
}

func (w Word) node() object {
	return object{"Comment", map[string]any{
		"id": fmt.Sprintf("W%d", w.id), "body": w.Body, "state": w.State, "isMinimized": false,
		"createdAt": w.At.UTC().Format(time.RFC3339), "submittedAt": w.At.UTC().Format(time.RFC3339),
		"authorAssociation": w.Association, "author": object{"User", map[string]any{"login": w.Author}},
	}}
}
