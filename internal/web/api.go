package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/report"
	"muster/internal/text"
)

// apiPrefix begins the paths of the API.
const apiPrefix = "/api/v1/"

// Bounds of an answer of the API.
const (
	mostEvents  = 1000
	mostDiff    = 4 << 20 // bytes
	mostLogText = 1 << 20 // bytes, of its end
	mostFound   = 1000    // lines of a log
	// defaultNight is how far the report and the night look back.
	defaultNight = 12 * time.Hour
)

// operation is one route of the API. The document is made from the same list.
type operation struct {
	method, path string // below apiPrefix
	summary      string
	query        []parameter
	body         any // a value of the type of the request's body; nil for none
	answer       any // a value of the type of the answer
	serve        func(*Server, *http.Request) (any, error)
}

// parameter is a parameter in the query of an address.
type parameter struct {
	name, kind, about string // kind is that of JSON schema
}

// Words are the body of a message.
type Words struct {
	Text string `json:"text"`
}

// Reply is the body of an answer to a request of an agent. To allow something, request and hash are those of what was read.
type Reply struct {
	Words    string         `json:"words,omitempty"`    // allow, deny, the number of an option, or a text
	Decision event.Decision `json:"decision,omitempty"` // instead of words
	Text     string         `json:"text,omitempty"`     // the reason of a denial
	Answers  []string       `json:"answers,omitempty"`  // to several questions, in order
	Request  string         `json:"request,omitempty"`
	Hash     string         `json:"hash,omitempty"`
}

// Answered is what the supervisor was told.
type Answered struct {
	control.Requested
	Request string `json:"request"`
	Hash    string `json:"hash,omitempty"` // of the allowed request
}

// RetryBody is the body of a retry.
type RetryBody struct {
	Allow []event.FindingKind `json:"allow,omitempty"`
}

// Nothing is a body without content.
type Nothing struct{}

// Order is a task as a page or a program orders it. Commands, checks and the fence of a task come from the configuration of its
// repository only.
type Order struct {
	Prompt   string   `json:"prompt"`
	Name     string   `json:"name,omitempty"`
	Repo     string   `json:"repo,omitempty"` // a checkout that the fleet has worked on; "" is the one in which the server was started
	Agent    string   `json:"agent,omitempty"`
	Model    string   `json:"model,omitempty"`
	Base     string   `json:"base,omitempty"`
	Publish  string   `json:"publish,omitempty"`
	After    []string `json:"after,omitempty"`
	Priority *int     `json:"priority,omitempty"`
	Rounds   *int     `json:"rounds,omitempty"`
	Attempts *int     `json:"attempts,omitempty"`
	Timeout  string   `json:"timeout,omitempty"`
	Budget   []string `json:"budget,omitempty"`
	Scope    []string `json:"scope,omitempty"`
}

// operations returns the routes of the API.
func operations() []operation {
	return []operation{
		{"GET", "status", "The state of the fleet, as `muster status --json`.", nil, nil, control.FleetStatus{}, (*Server).getStatus},
		{"GET", "tasks", "The tasks, as `muster ls --json`.", []parameter{{"all", "boolean", "every task, including those that ended long ago"}}, nil, []control.Summary{}, (*Server).getTasks},
		{"GET", "tasks/{id}", "Everything about a task, as `muster show --json`.", nil, nil, control.Shown{}, (*Server).getTask},
		{"GET", "tasks/{id}/checks", "The rounds of its checks, as `muster checks --json`.", nil, nil, []control.Round{}, (*Server).getChecks},
		{"GET", "tasks/{id}/why", "The decisions that led to its state, as `muster why --json`.", nil, nil, []control.Told{}, (*Server).getWhy},
		{"GET", "tasks/{id}/diff", "What it has changed, as `muster diff --json`; at most 4 MiB.", []parameter{{"stat", "boolean", "a line for each file instead"}, {"round", "integer", "what this round of checks judged, instead of the newest work"}, {"from", "integer", "only what has changed since this round judged it"}}, nil, control.ToldDiff{}, (*Server).getDiff},
		{
			"GET", "tasks/{id}/log", "The end of a log, as `muster logs --json`; at most 1 MiB, or the first 1000 lines that have some words.",
			[]parameter{{"check", "string", "the output of this check"}, {"round", "integer", "in this round"}, {"gen", "integer", "what this generation reported"}, {"q", "string", "only the lines that have these words"}},
			nil,
			control.ToldLog{},
			(*Server).getLog,
		},
		{
			"GET", "events", "Events of the log, oldest first, at most 1000.",
			[]parameter{{"after", "integer", "only those with a greater sequence number"}, {"before", "integer", "only those with a smaller sequence number"}, {"newest", "boolean", "the newest first"}, {"task", "string", "only of this task"}, {"kind", "string", "only of these kinds, with commas between them"}, {"limit", "integer", "at most so many"}},
			nil,
			[]event.Event{},
			(*Server).getEvents,
		},
		{"GET", "report", "What happened, as `muster report --json`.", []parameter{{"since", "string", "a duration such as 12h, or a time of RFC 3339"}}, nil, report.Report{}, (*Server).getReport},
		{"POST", "tasks", "Queue a task, as `muster dispatch --json`.", nil, Order{}, control.Queued{}, (*Server).postTask},
		{"POST", "tasks/{id}/answer", "Answer what it asks, as `muster answer --json`.", nil, Reply{}, Answered{}, (*Server).postAnswer},
		{"POST", "tasks/{id}/send", "Send a message to its agent.", nil, Words{}, control.Requested{}, (*Server).postSend},
		{"POST", "tasks/{id}/interrupt", "Interrupt its agent's turn.", nil, Nothing{}, control.Requested{}, (*Server).postInterrupt},
		{"POST", "tasks/{id}/stop", "End it and keep its work.", nil, Nothing{}, control.Requested{}, (*Server).postStop},
		{"POST", "tasks/{id}/retry", "Start a parked task again.", nil, RetryBody{}, control.Requested{}, (*Server).postRetry},
	}
}

// api adds the routes of the API.
func (s *Server) api(mux *http.ServeMux) {
	for _, o := range operations() {
		mux.HandleFunc(o.method+" "+apiPrefix+o.path, s.withToken(o.method != http.MethodGet, func(w http.ResponseWriter, r *http.Request) {
			v, err := o.serve(s, r)
			if err != nil {
				s.fail(w, r, err)
				return
			}
			writeJSON(w, http.StatusOK, v)
		}))
	}
	mux.HandleFunc("GET "+apiPrefix+"openapi.json", s.withToken(false, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, Document()) }))
	mux.HandleFunc(apiPrefix, s.withToken(false, func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, http.StatusNotFound, "the API has no such route", "GET "+apiPrefix+"openapi.json describes all of them.")
	}))
}

// writeJSON sends a value as --json prints it.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// readBody reads the body of a request. A field that is not known is an error: a program that sends a command must not believe
// that it was taken.
func readBody[T any](r *http.Request) (body T, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err = d.Decode(&body)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after it")
		}
	}
	if errors.Is(err, io.EOF) { // an empty body
		err = nil
	}
	if err != nil {
		return body, fault.Wrap(fault.Usage, err, "the body is not what this route takes").WithHint("GET %sopenapi.json describes it.", apiPrefix)
	}
	return body, nil
}

// taskOf returns the task in the path of a request that changes something.
func taskOf(r *http.Request) (event.TaskID, error) {
	id := r.PathValue("id")
	if !event.IsTaskID(id) {
		return "", fault.New(fault.Usage, "%q is not the id of a task", text.Line(id, 40)).WithHint("Give an id such as t12.")
	}
	return event.TaskID(id), nil
}

// number returns a number of the query; 0 if it is missing.
func number(r *http.Request, name string) (int64, error) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Usage, "%s=%s is not a number", name, text.Line(v, 40))
	}
	return n, nil
}

// truth returns a parameter that is true or false; false is the value of one that is not there.
func truth(r *http.Request, name string) (bool, error) {
	switch v := r.URL.Query().Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, fault.New(fault.Usage, "%s=%s is neither true nor false", name, text.Line(v, 40))
	}
}

// since returns the time from which a report is asked for.
func (s *Server) since(r *http.Request) (time.Time, error) {
	v := r.URL.Query().Get("since")
	if v == "" {
		return s.o.Now().Add(-defaultNight), nil
	}
	at, err := time.Parse(time.RFC3339, v)
	if d, ok := config.ParseDuration(v); ok && d >= 0 {
		at, err = s.o.Now().Add(-d), nil
	}
	if err != nil || at.After(s.o.Now()) {
		return at, fault.New(fault.Usage, "since=%s is neither a duration nor a time in the past", text.Line(v, 40)).WithHint("Give 12h, or a time of RFC 3339.")
	}
	return at, nil
}

func (s *Server) getStatus(r *http.Request) (any, error) {
	return control.Get(r.Context(), s.o.Control, control.Status{})
}

func (s *Server) getTasks(r *http.Request) (any, error) {
	ended, err := truth(r, "all")
	if err != nil {
		return nil, err
	}
	all, err := control.Get(r.Context(), s.o.Control, control.TasksJSON{All: ended})
	return control.OrEmpty(all), err
}

func (s *Server) getTask(r *http.Request) (any, error) {
	d, err := control.Get(r.Context(), s.o.Control, control.Detail{Ref: r.PathValue("id")})
	if err != nil {
		return nil, err
	}
	shown := d.Shown()
	shown.Disk, err = control.Get(r.Context(), s.o.Control, control.Disk{Task: d.Task.ID, Limit: time.Second})
	return shown, err
}

func (s *Server) getChecks(r *http.Request) (any, error) {
	c, err := control.Get(r.Context(), s.o.Control, control.Checks{Ref: r.PathValue("id")})
	return control.OrEmpty(c.Rounds), err
}

func (s *Server) getWhy(r *http.Request) (any, error) {
	h, err := control.Get(r.Context(), s.o.Control, control.Why{Ref: r.PathValue("id")})
	return h.Told(), err
}

func (s *Server) getDiff(r *http.Request) (any, error) {
	out := &text.Limited{Most: mostDiff}
	q, err := diffOf(r, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if q.Stat, err = truth(r, "stat"); err != nil {
		return nil, err
	}
	q.To = out
	d, err := control.Get(r.Context(), s.o.Control, q)
	if out.Full() {
		err = fault.Wrap(fault.Conflict, text.ErrFull, "the diff of %s is too large for an answer", text.Line(r.PathValue("id"), 40)).WithHint("`muster diff` prints all of it; stat=true lists the files.")
	}
	return control.ToldDiff{Changes: d, Diff: out.String()}, err
}

// diffOf returns the diff that an address asks for.
func diffOf(r *http.Request, ref string) (control.Diff, error) {
	round, err := number(r, "round")
	if err != nil {
		return control.Diff{}, err
	}
	from, err := number(r, "from")
	return control.Diff{Ref: ref, Round: int(round), From: int(from)}, err
}

func (s *Server) getLog(r *http.Request) (any, error) {
	round, err := number(r, "round")
	if err != nil {
		return nil, err
	}
	gen, err := number(r, "gen")
	if err != nil {
		return nil, err
	}
	q := control.Log{Ref: r.PathValue("id"), Check: r.URL.Query().Get("check"), Round: int(round), Gen: int(gen)}
	if r.URL.Query().Has("q") {
		found, err := control.Get(r.Context(), s.o.Control, control.Search{Log: q, Words: r.URL.Query().Get("q"), Most: mostFound})
		return found.Told(), err
	}
	l, err := control.Get(r.Context(), s.o.Control, q)
	if err != nil {
		return nil, err
	}
	said, err := l.Say(r.Context())
	return control.ToldLog{Task: l.Task, Source: l.Source, Text: text.Terminal(tail(said, mostLogText), false)}, err
}

// tail returns the whole lines at the end of a text that have at most so many bytes.
func tail(s string, most int) string {
	if len(s) <= most {
		return s
	}
	s = s[len(s)-most:]
	return s[strings.IndexByte(s, '\n')+1:]
}

func (s *Server) getEvents(r *http.Request) (any, error) {
	after, err := number(r, "after")
	if err != nil {
		return nil, err
	}
	before, err := number(r, "before")
	if err != nil {
		return nil, err
	}
	newest, err := truth(r, "newest")
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit")
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > mostEvents {
		limit = mostEvents
	}
	var kinds []event.Kind
	if v := r.URL.Query().Get("kind"); v != "" {
		for k := range strings.SplitSeq(v, ",") {
			if !slices.Contains(event.Kinds(), event.Kind(k)) {
				return nil, fault.New(fault.Usage, "there is no kind %q of events", text.Line(k, 40))
			}
			kinds = append(kinds, event.Kind(k))
		}
	}
	out := []event.Event{}
	all, err := control.Get(r.Context(), s.o.Control, control.Events{After: after, Before: before, Task: r.URL.Query().Get("task"), Kinds: kinds, Limit: int(limit), Newest: newest})
	if err != nil {
		return nil, err
	}
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (s *Server) getReport(r *http.Request) (any, error) {
	since, err := s.since(r)
	if err != nil {
		return nil, err
	}
	return control.Get(r.Context(), s.o.Control, control.Report{Since: since})
}

// order freezes an order and queues it.
func (s *Server) order(r *http.Request, o Order) (control.Queued, error) {
	var q control.Queued
	switch {
	case o.Repo == "":
		o.Repo = s.o.Dir
	case !filepath.IsAbs(o.Repo) || !slices.Contains(s.repos(), o.Repo):
		return q, fault.New(fault.Usage, "the fleet has not worked on %q, and its configuration decides what is run", text.Line(o.Repo, 200)).
			WithHint("Queue its first task with muster dispatch.")
	}
	t, err := s.o.Order(r.Context(), intake.Order{Prompt: o.Prompt, Options: intake.Options{
		Name: o.Name, Repo: o.Repo, Agent: o.Agent, Model: o.Model, Base: o.Base, Publish: o.Publish, After: o.After, Priority: o.Priority, Rounds: o.Rounds,
		Attempts: o.Attempts, Timeout: o.Timeout, Budget: o.Budget, Scope: o.Scope,
	}})
	if err != nil {
		return q, err
	}
	out, err := s.o.Control.Do(r.Context(), control.Dispatch{Tasks: []intake.Task{t}})
	if err != nil && len(out.Tasks) == 0 {
		return q, err
	}
	of, err := control.Get(r.Context(), s.o.Control, control.One{Ref: string(out.Task)})
	if err != nil {
		return q, err
	}
	return control.Queued{Summary: control.Summarize(of), Notices: t.Notices}, nil
}

// repos returns the checkouts that the fleet works on, and the one in which the server was started.
func (s *Server) repos() []string {
	all := s.hub.repos()
	if s.o.Dir != "" && !slices.Contains(all, s.o.Dir) {
		all = append(all, s.o.Dir)
	}
	slices.Sort(all)
	return all
}

func (s *Server) postTask(r *http.Request) (any, error) {
	o, err := readBody[Order](r)
	if err != nil {
		return nil, err
	}
	return s.order(r, o)
}

// do carries out a command and waits for its effect.
func (s *Server) do(r *http.Request, cmd control.Command) (control.Outcome, error) {
	out, err := s.o.Control.Do(r.Context(), cmd)
	if err != nil {
		return out, err
	}
	_, err = s.o.Control.Await(r.Context(), out)
	return out, err
}

// ask carries out a command on the task in the path, whose body has the type T.
func ask[T any](s *Server, r *http.Request, verb string, command func(event.TaskID, T) control.Command) (any, error) {
	id, err := taskOf(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody[T](r)
	if err != nil {
		return nil, err
	}
	out, err := s.do(r, command(id, body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	return out.Requested(verb), nil
}

func (s *Server) postSend(r *http.Request) (any, error) {
	return ask(s, r, "send", func(id event.TaskID, b Words) control.Command { return control.Send{Task: id, Text: b.Text} })
}

func (s *Server) postInterrupt(r *http.Request) (any, error) {
	return ask(s, r, "interrupt", func(id event.TaskID, _ Nothing) control.Command { return control.Interrupt{Task: id} })
}

func (s *Server) postStop(r *http.Request) (any, error) {
	return ask(s, r, "stop", func(id event.TaskID, _ Nothing) control.Command { return control.Stop{Task: id} })
}

func (s *Server) postRetry(r *http.Request) (any, error) {
	return ask(s, r, "retry", func(id event.TaskID, b RetryBody) control.Command { return control.Retry{Task: id, Allow: b.Allow} })
}

func (s *Server) postAnswer(r *http.Request) (any, error) {
	id, err := taskOf(r)
	if err != nil {
		return nil, err
	}
	b, err := readBody[Reply](r)
	if err != nil {
		return nil, err
	}
	a := control.Answer{Task: id, Words: b.Words, Decision: b.Decision, Text: b.Text, Answers: b.Answers, Request: b.Request, Hash: b.Hash}
	if b.Words == "" && b.Decision == "" && len(b.Answers) == 0 {
		return nil, fault.New(fault.Usage, "no answer is given").WithHint("Give words, a decision, or answers.")
	}
	out, err := s.do(r, a)
	if err != nil {
		return nil, err
	}
	done := Answered{Requested: out.Requested("answer"), Request: b.Request}
	if b.Decision == event.Allow || strings.EqualFold(b.Words, string(event.Allow)) || strings.EqualFold(b.Words, "yes") {
		done.Hash = b.Hash
	}
	return done, nil
}
