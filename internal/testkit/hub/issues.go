package hub

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Issue is an issue of the server.
type Issue struct {
	Number      int
	Title, Body string
	Author      string
	Closed      bool
	Edited      time.Time // when its text was changed last
	Comments    []Comment
	labels      []labeling
	renamed     []time.Time
	at, updated time.Time
}

// Comment is a comment on an issue.
type Comment struct {
	ID                        int
	Author, Association, Body string
	At                        time.Time
}

type labeling struct {
	name, by string
	at       time.Time
	off      bool
}

// Issue adds an issue and returns its number.
func (h *Hub) Issue(repo string, i Issue) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	i.Number, i.at, i.updated = h.number(repo), time.Now(), time.Now()
	if h.api.issues == nil {
		h.api.issues = map[string][]*Issue{}
	}
	h.api.issues[repo] = append(h.api.issues[repo], &i)
	return i.Number
}

// number returns the next number of an issue or of a pull request, which share them. The caller holds mu.
func (h *Hub) number(repo string) int { return len(h.api.pulls[repo]) + len(h.api.issues[repo]) + 1 }

// Issues returns copies of the issues of a repository.
func (h *Hub) Issues(repo string) (out []Issue) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.api.issues[repo] {
		one := *i
		one.Comments = slices.Clone(i.Comments)
		out = append(out, one)
	}
	return out
}

// Label lets somebody set a label of an issue at a time, after all earlier calls for it.
func (h *Hub) Label(repo string, number int, name, by string, at time.Time) {
	h.t.Helper()
	h.ChangeIssue(repo, number, func(i *Issue) { i.labels = append(i.labels, labeling{name: name, by: by, at: at}) })
}

// Unlabel takes a label off an issue.
func (h *Hub) Unlabel(repo string, number int, name string) {
	h.t.Helper()
	h.ChangeIssue(repo, number, func(i *Issue) {
		for k := range i.labels {
			i.labels[k].off = i.labels[k].off || i.labels[k].name == name
		}
	})
}

// Rename changes the title of an issue at a time.
func (h *Hub) Rename(repo string, number int, title string, at time.Time) {
	h.t.Helper()
	h.ChangeIssue(repo, number, func(i *Issue) { i.Title, i.renamed = title, append(i.renamed, at) })
}

// Comment lets somebody comment on an issue.
func (h *Hub) Comment(repo string, number int, c Comment) {
	h.t.Helper()
	h.ChangeIssue(repo, number, func(i *Issue) { h.comment(i, c) })
}

// comment adds a comment. The caller holds mu.
func (h *Hub) comment(i *Issue, c Comment) Comment {
	h.api.sequence++
	c.ID = h.api.sequence
	if c.At.IsZero() {
		c.At = time.Now()
	}
	i.Comments = append(i.Comments, c)
	return c
}

// ChangeIssue changes an issue.
func (h *Hub) ChangeIssue(repo string, number int, change func(*Issue)) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.issue(repo, number)
	if i == nil {
		h.t.Fatalf("there is no issue %d of %s", number, repo)
	}
	change(i)
	i.updated = time.Now()
}

// issue returns an issue; nil if there is none. The caller holds mu.
func (h *Hub) issue(repo string, number int) *Issue {
	for _, i := range h.api.issues[repo] {
		if i.Number == number {
			return i
		}
	}
	return nil
}

// has reports whether an issue has a label now.
func (i *Issue) has(name string) bool {
	return slices.ContainsFunc(i.labels, func(l labeling) bool { return !l.off && strings.EqualFold(l.name, name) })
}

// listIssues serves a list of issues, and of pull requests, which are issues, too. All pull requests have all labels.
func (h *Hub) listIssues(w http.ResponseWriter, r *http.Request, repo string) (int, any) {
	q := r.URL.Query()
	all := []any{}
	for _, i := range h.api.issues[repo] {
		if !i.Closed && i.has(q.Get("labels")) {
			all = append(all, map[string]any{"number": i.Number, "updated_at": i.updated.UTC().Format(time.RFC3339), "title": i.Title, "body": i.Body})
		}
	}
	for _, p := range h.api.pulls[repo] {
		all = append(all, map[string]any{"number": p.Number, "updated_at": "2026-01-01T00:00:00Z", "pull_request": map[string]any{"url": p.url}})
	}
	size, _ := strconv.Atoi(q.Get("per_page"))
	page, _ := strconv.Atoi(q.Get("page"))
	from := min(len(all), max(page-1, 0)*size)
	all = all[from:min(len(all), from+size)]
	b, err := json.Marshal(all)
	if err != nil {
		return http.StatusInternalServerError, nil
	}
	tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(b))
	w.Header().Set("Etag", tag)
	if r.Header.Get("If-None-Match") == tag {
		return http.StatusNotModified, nil
	}
	return http.StatusOK, all
}

// issuesAPI serves what is below repos/OWNER/NAME/issues.
func (h *Hub) issuesAPI(w http.ResponseWriter, r *http.Request, repo string, rest []string) (int, any) {
	notFound := map[string]any{"message": "Not Found"}
	switch {
	case len(rest) == 0 && r.Method == http.MethodGet:
		return h.listIssues(w, r, repo)
	case len(rest) == 2 && rest[1] == "comments" && r.Method == http.MethodPost:
		n, _ := strconv.Atoi(rest[0])
		i := h.issue(repo, n)
		var want struct{ Body string }
		if err := json.NewDecoder(r.Body).Decode(&want); err != nil || i == nil {
			return http.StatusNotFound, notFound
		}
		c := h.comment(i, Comment{Author: Login, Association: "CONTRIBUTOR", Body: want.Body})
		i.updated = time.Now()
		return http.StatusCreated, map[string]any{"id": c.ID, "body": c.Body}
	case len(rest) == 2 && rest[0] == "comments" && r.Method == http.MethodDelete:
		for _, i := range h.api.issues[repo] {
			before := len(i.Comments)
			i.Comments = slices.DeleteFunc(i.Comments, func(c Comment) bool { return strconv.Itoa(c.ID) == rest[1] })
			if len(i.Comments) < before {
				i.updated = time.Now()
				return http.StatusNoContent, nil
			}
		}
	}
	return http.StatusNotFound, notFound
}

// node returns an issue as GraphQL has it.
func (i *Issue) node(repo string) object {
	stamp := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format(time.RFC3339)
	}
	actor := func(login string) object { return object{"User", map[string]any{"login": login}} }
	var labels, events []object
	for _, l := range i.labels {
		label := object{"Label", map[string]any{"name": l.name}}
		if !l.off {
			labels = append(labels, label)
		}
		events = append(events, object{"LabeledEvent", map[string]any{"createdAt": stamp(l.at), "actor": actor(l.by), "label": label}})
	}
	for _, at := range i.renamed {
		events = append(events, object{"RenamedTitleEvent", map[string]any{"createdAt": stamp(at)}})
	}
	state := "OPEN"
	if i.Closed {
		state = "CLOSED"
	}
	return object{"Issue", map[string]any{
		"id": fmt.Sprintf("I_%d", i.Number), "number": i.Number, "url": fmt.Sprintf("https://%s/%s/issues/%d", Host, repo, i.Number),
		"title": i.Title, "body": i.Body, "state": state, "lastEditedAt": stamp(i.Edited), "author": actor(i.Author),
		"labels": nodes("Label", labels), "timelineItems": nodes("IssueTimelineItems", events),
		"comments": func(f field) any { return i.commentPage(f) },
	}}
}

// commentPage returns a page of comments. A cursor is the number of comments before it.
func (i *Issue) commentPage(f field) object {
	from, _ := strconv.Atoi(f.args["after"])
	size, _ := strconv.Atoi(f.args["first"])
	from = min(from, len(i.Comments))
	to := min(from+size, len(i.Comments))
	var page []object
	for _, c := range i.Comments[from:to] {
		page = append(page, object{"IssueComment", map[string]any{
			"databaseId": c.ID, "body": c.Body, "createdAt": c.At.UTC().Format(time.RFC3339), "authorAssociation": c.Association,
			"viewerDidAuthor": c.Author == Login, "author": object{"User", map[string]any{"login": c.Author}},
		}})
	}
	out := nodes("IssueComment", page)
	out.values["pageInfo"] = object{"PageInfo", map[string]any{"hasNextPage": to < len(i.Comments), "endCursor": strconv.Itoa(to)}}
	return out
}
