package web

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/intake"
)

// Options describe a server.
type Options struct {
	Control  *control.Control
	Hosts    []string // the values of the header Host that are answered
	ReadOnly bool     // nothing can be changed
	Now      func() time.Time
	// Order checks an order and freezes it; Dir is the checkout of an order that names none.
	Order func(context.Context, intake.Order) (intake.Task, error)
	Dir   string
}

// Limits of a request.
const (
	maxBody    = 128 << 10 // bytes
	maxHeader  = 16 << 10  // bytes
	headerTime = 5 * time.Second
	readTime   = 30 * time.Second
	writeTime  = time.Minute
	idleTime   = 2 * time.Minute
	// closeTime is how long open requests may go on after the server was told to end.
	closeTime = 3 * time.Second
)

// Server is the page and the API of one fleet.
type Server struct {
	o        Options
	prefix   string // /m/<128 random bits>, below which all pages are
	cookie   string
	sessions sessions
	asked    requests
	hub      *hub
	viewer   *control.Viewer
	mux      http.Handler
	closing  chan struct{} // closed when streams have to end
}

// New returns a server. It listens nowhere and follows nothing before Serve.
func New(o Options) *Server {
	s := &Server{
		o: o, prefix: "/m/" + token(16), cookie: "muster_" + fingerprint(string(o.Control.Home())), hub: newHub(), viewer: o.Control.Viewer(),
		closing: make(chan struct{}),
	}
	s.mux = s.guard(s.routes())
	return s
}

// Handler returns what answers requests.
func (s *Server) Handler() http.Handler { return s.mux }

// Link returns a link that lets one person in, once and within two minutes. base is the URL of the server.
func Link(c *control.Control, base string) (string, error) {
	code, err := c.NewPass()
	if err != nil {
		return "", err
	}
	return base + "/in/" + code, nil
}

// Serve follows the fleet and answers requests until ctx ends. It closes the listeners.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.viewer.Close()
	h := &http.Server{
		Handler: s.mux, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(nothing{}, "", 0), // what clients do wrong is no concern of the person in front of the terminal
	}
	var all sync.WaitGroup
	all.Go(func() { s.hub.follow(ctx, s.o.Control) })
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		all.Go(func() {
			if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	close(s.closing)
	limited, end := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer end()
	if h.Shutdown(limited) != nil {
		_ = h.Close()
	}
	cancel()
	all.Wait()
	return err
}

// nothing takes what is written and drops it.
type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }

// Listen listens on a port of the loopback addresses, and nowhere else. With port 0 it takes a free one. The addresses of IPv6 are
// left out on a machine that has none.
func Listen(ctx context.Context, port int) ([]net.Listener, error) {
	var lc net.ListenConfig
	four, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fault.Wrap(codeOf(err), err, "listen on port %d of this machine", port).WithHint("Choose another: muster web --port 0 takes a free one.")
	}
	six, err := lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(Port(four))))
	switch {
	case err == nil:
		return []net.Listener{four, six}, nil
	case errors.Is(err, syscall.EADDRINUSE): // localhost could lead to another program
		_ = four.Close()
		return nil, fault.Wrap(fault.Conflict, err, "listen on port %d of this machine", Port(four)).WithHint("Choose another: muster web --port 0 takes a free one.")
	}
	return []net.Listener{four}, nil
}

func codeOf(err error) fault.Code {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fault.Conflict
	}
	return fault.Failed
}

// Port returns the port of a listener; 0 if it has none.
func Port(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}

// ListenSocket listens on a Unix socket that only its owner can open. Its directory must be private, and the caller must be the
// only one who serves there: a socket that a process left behind is replaced.
func ListenSocket(ctx context.Context, path string) (net.Listener, error) {
	if st, err := os.Stat(filepath.Dir(path)); err != nil || st.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Conflict, "the directory of %s is not private", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(fault.Failed, err, "remove the socket of a process that has ended")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "listen on a socket").WithHint("The path of a socket has at most 107 bytes; muster web without --socket needs none.")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("make %s private: %w", path, err)
	}
	return l, nil
}

// LoopbackHosts returns the values of Host that lead to a port of this machine.
func LoopbackHosts(port int) []string {
	p := strconv.Itoa(port)
	return []string{"127.0.0.1:" + p, "[::1]:" + p, "localhost:" + p}
}
