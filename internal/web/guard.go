package web

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

// policy is the content security policy of every answer. Nothing is loaded from elsewhere, and nothing in a page is a script or a
// style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard is before every route. It trusts no address and no header of a proxy.
func (s *Server) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !slices.Contains(s.o.Hosts, r.Host): // a name of somebody else that leads here
			s.refuse(w, r, http.StatusMisdirectedRequest, "this server does not answer for that host", "Open the link that muster web printed. A further name is allowed by --host.")
		case cross.Check(r) != nil:
			s.refuse(w, r, http.StatusForbidden, "the request comes from another site", "")
		case s.o.ReadOnly && r.Method != http.MethodGet && r.Method != http.MethodHead:
			s.refuse(w, r, http.StatusForbidden, "this page is for reading only", "It was started with --read-only.")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			next.ServeHTTP(w, r)
		}
	})
}

// routes returns all routes. Those of pages are below the secret prefix; outside of it are the link that lets a person in, and the
// API.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /in/{code}", s.signIn)
	mux.HandleFunc("GET /{$}", s.stranger)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }) // browsers ask for one
	s.pages(mux)
	s.api(mux)
	return mux
}

// signIn lets a person in who has a link that was not used. The cookie goes to paths below the secret prefix only: a browser sends
// a cookie to every port of a host.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet { // HEAD must not use it up
		s.refuse(w, r, http.StatusMethodNotAllowed, "the link is for a browser", "")
		return
	}
	if !s.o.Control.UsePass(r.PathValue("code")) {
		s.refuse(w, r, http.StatusUnauthorized, "this link was used, or is more than two minutes old", "Print another: muster web --link")
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure would need TLS, and this is loopback
		Name: s.cookie, Value: s.sessions.begin(s.o.Now()), Path: s.prefix + "/", MaxAge: int(sessionFor.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	// A redirect would be part of the navigation from wherever the link stood, and the cookie is not sent with that.
	w.Header().Set("Refresh", "0; url="+s.prefix+"/")
	s.bare(w, http.StatusOK, "You are signed in", func(d *doc) {
		d.open("p")
		d.el("a", "Go on to the fleet", "href", s.prefix+"/")
		d.close("p")
	})
}

// stranger tells how to come in.
func (s *Server) stranger(w http.ResponseWriter, r *http.Request) {
	s.refuse(w, r, http.StatusUnauthorized, "you are not signed in", "Open the link that muster web printed, or print another: muster web --link")
}

// signedIn calls a handler for a browser that is signed in.
func (s *Server) signedIn(next func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie(s.cookie)
		if err != nil {
			s.stranger(w, r)
			return
		}
		v := s.sessions.of(c.Value, s.o.Now())
		if v == nil {
			s.stranger(w, r)
			return
		}
		next(w, r.WithContext(control.Through(r.Context(), event.FrontPage)), v)
	}
}

// withToken calls a handler for a program that has a token. write says that the handler changes something.
func (s *Server) withToken(write bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		shown, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		var t control.Token
		var found bool
		var err error
		if ok {
			t, found, err = s.o.Control.TokenOf(shown)
		}
		switch {
		case err != nil:
			s.fail(w, r, err)
		case !found:
			w.Header().Set("WWW-Authenticate", "Bearer")
			s.refuse(w, r, http.StatusUnauthorized, "the API needs a token", "Send one as Authorization: Bearer TOKEN. `muster web token new NAME` makes one.")
		case write && t.ReadOnly:
			s.refuse(w, r, http.StatusForbidden, "this token is for reading only", "")
		case write && !isJSON(r):
			s.refuse(w, r, http.StatusUnsupportedMediaType, "the body is not application/json", "")
		default:
			next(w, r.WithContext(control.Through(r.Context(), event.FrontAPI)))
		}
	}
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// statusOf returns the status of an answer for an error.
func statusOf(err error) int {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return http.StatusRequestEntityTooLarge
	}
	switch fault.CodeOf(err) {
	case fault.Usage:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Timeout:
		return http.StatusGatewayTimeout
	case fault.Failed, fault.Interrupted:
	}
	return http.StatusInternalServerError
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.refuse(w, r, statusOf(err), err.Error(), fault.HintOf(err))
}

// Problem is the answer of the API to a request that failed.
type Problem struct {
	Error struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
		Hint    string `json:"hint,omitempty"` // what to do next
	} `json:"error"`
}

// refuse answers with a status: programs with JSON, people with a page.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, message, hint string) {
	if strings.HasPrefix(r.URL.Path, apiPrefix) {
		var p Problem
		p.Error.Status, p.Error.Message, p.Error.Hint = status, message, hint
		writeJSON(w, status, p)
		return
	}
	s.bare(w, status, "muster", func(d *doc) {
		d.el("p", message)
		if hint != "" {
			d.el("p", hint)
		}
	})
}

// bare answers with a page that needs nothing else from the server, because who reads it may not be signed in.
func (s *Server) bare(w http.ResponseWriter, status int, title string, body func(*doc)) {
	d := &doc{}
	d.head(title)
	d.open("body", "class", "bare")
	d.open("main")
	d.el("h1", title)
	body(d)
	d.close("main")
	d.close("body")
	d.close("html")
	writePage(w, status, d)
}

// head adds everything up to the body of a page, with further elements of its head.
func (d *doc) head(title string, more ...func()) {
	d.b.WriteString("<!doctype html>\n")
	d.open("html", "lang", "en")
	d.open("head")
	d.open("meta", "charset", "utf-8")
	d.open("meta", "name", "viewport", "content", "width=device-width, initial-scale=1")
	d.open("meta", "name", "color-scheme", "content", "light dark")
	d.el("title", title)
	for _, add := range more {
		add()
	}
	d.close("head")
}

// writePage sends a page.
func writePage(w http.ResponseWriter, status int, d *doc) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(d.String())) // the browser may be gone
}
