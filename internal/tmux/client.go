package tmux

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/fault"
	"muster/internal/run"
)

// maxBacklog bounds the data that a busy or stopped server has not read, in bytes.
const maxBacklog = 8 << 20

// Client is the control client of a fleet. It gets no output of panes, so that no agent ever waits for it, and the
// kernel ends it with this process. Its methods are safe for concurrent use. After Done is closed it cannot be used;
// Server.Connect returns another one.
type Client struct {
	child         *run.Child
	identity      Identity
	columns, rows int
	dir           string // for the files from which buffers are loaded
	buffers       atomic.Uint64
	opening       chan struct{} // capacity 1: serialises Open for existing sessions

	ready  chan struct{} // closed when attached
	done   chan struct{}
	events chan Event
	wake   chan struct{} // signals that out is not empty
	wg     sync.WaitGroup

	mu       sync.Mutex
	waiting  []*request // sent but not answered, oldest first
	out      []byte     // not yet handed to tmux
	own      SessionID  // id of the hub session
	refusal  string     // why the attach failed
	ended    bool
	closing  bool
	endedErr error
}

// request is one control line that was sent or waits to be sent.
type request struct {
	command string
	blocks  int // number of blocks in its answer, unless one fails
	got     [][]string
	answer  chan answer // capacity 1: the caller may have stopped waiting
}

type answer struct {
	blocks [][]string
	err    error
}

// Connect starts the control client and waits until it is attached to the hub session. ctx limits only the
// connecting. It returns ErrNoServer or ErrNoHub if there is nothing to connect to.
func (s *Server) Connect(ctx context.Context) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	d, err := s.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to tmux: %w", err)
	}
	if checkName("session", d.hub) != nil {
		return nil, fmt.Errorf("connect to tmux: %w", ErrNoHub)
	}
	path, err := s.clientFor(ctx, d.PID)
	if err != nil {
		return nil, err
	}
	if err := s.sameVersion(ctx, path, d.Identity); err != nil {
		return nil, err
	}
	// The client must outlive ctx, and ends by Close or with this process.
	child, err := run.Start(context.WithoutCancel(ctx), run.Spec{
		Argv: []string{
			path, "-u", "-S", s.Socket(), "-C", "attach-session",
			"-f", "no-output,ignore-size", "-t", "=" + d.hub + ":",
		},
		Dir: "/", Env: s.cfg.Env, Pipes: true,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to tmux: %w", err)
	}
	c := &Client{
		child: child, identity: d.Identity, columns: s.cfg.Columns, rows: s.cfg.Rows,
		dir: socketDir(s), opening: make(chan struct{}, 1), ready: make(chan struct{}),
		done: make(chan struct{}), events: make(chan Event, EventCapacity), wake: make(chan struct{}, 1),
	}
	c.buffers.Store(uint64(time.Now().UnixNano())) //nolint:gosec // it only has to differ between clients
	removeLeftPastes(c.dir)
	c.wg.Go(c.read)
	c.wg.Go(c.write)
	c.wg.Go(c.watch)
	if err := c.awaitReady(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to tmux: %w", err)
	}
	return c, nil
}

// awaitReady waits for the attach, and for a reply of the server that was described before.
func (c *Client) awaitReady(ctx context.Context) error {
	select {
	case <-c.ready:
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.refusal != "" {
			refused := &CommandError{Command: "attach-session", Message: c.refusal}
			if errors.Is(refused, ErrNoTarget) {
				return ErrNoHub
			}
			return refused
		}
		return c.endedErr
	case <-ctx.Done():
		return ctx.Err()
	}
	lines, err := c.Do(ctx, "display-message", "-p", "#{pid} #{start_time} #{version}")
	if err != nil {
		return err
	}
	f := strings.Split(strings.Join(lines, ""), " ")
	if len(f) != 3 {
		return fault.New(fault.Failed, "tmux describes itself in an unknown way: %q", lines)
	}
	c.identity, err = parseIdentity(f)
	return err
}

// Identity returns the identity of the connected server.
func (c *Client) Identity() Identity { return c.identity }

// Done returns a channel that is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns the reason for the end of the connection: ErrDisconnected with tmux's message. It is nil before Done
// and after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil
	}
	return c.endedErr
}

// Events returns the channel of events of the server, in order. At most EventCapacity wait to be read, then they are
// replaced by one Overflow. The channel is closed after the Exit event.
func (c *Client) Events() <-chan Event { return c.events }

// Close ends the connection and waits until it is closed. It may be called several times. It does not affect agents.
func (c *Client) Close() {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.child.Close()
	c.wg.Wait()
}

// isPlain reports whether a command, by its full name, answers a line with exactly one block and never waits.
func isPlain(command string) bool {
	switch command {
	case "break-pane", "capture-pane", "clear-history", "copy-mode", "delete-buffer", "detach-client",
		"display-message", "has-session", "join-pane", "kill-pane", "kill-session", "kill-window", "list-buffers",
		"list-clients", "list-commands", "list-keys", "list-panes", "list-sessions", "list-windows", "load-buffer",
		"move-window", "new-session", "new-window", "paste-buffer", "pipe-pane", "refresh-client",
		"rename-session", "rename-window", "resize-pane", "resize-window", "respawn-pane", "select-pane",
		"select-window", "send-keys", "set-buffer", "set-environment", "set-hook", "set-option", "show-buffer",
		"show-environment", "show-options", "split-window", "swap-pane", "unlink-window":
		return true
	}
	return false
}

// Do sends one plain command, by its full name and with its arguments unchanged, and returns the lines that it
// prints. A *CommandError means that tmux refused it. After a timeout (ctx's, at most CallTimeout) it is unknown
// whether the command ran, and a late reply is dropped. Calls are pipelined: several may run at the same time.
func (c *Client) Do(ctx context.Context, args ...string) ([]string, error) {
	if len(args) == 0 || !isPlain(args[0]) {
		return nil, fault.New(fault.Usage, "not a plain tmux command: %q", args)
	}
	for _, a := range args {
		if strings.ContainsRune(a, 0) {
			return nil, fault.New(fault.Usage, "tmux %s: an argument contains a NUL byte", args[0])
		}
	}
	blocks, err := c.send(ctx, 1, args[0], line(args...))
	if err != nil {
		return nil, err
	}
	return blocks[0], nil
}

// batch sends several plain commands as one line. tmux does not run those after the first that fails.
func (c *Client) batch(ctx context.Context, commands ...[]string) ([][]string, error) {
	lines := make([]string, len(commands))
	for i, args := range commands {
		lines[i] = line(args...)
	}
	return c.send(ctx, len(commands), commands[0][0], strings.Join(lines, " ; "))
}

// send puts one line into the queue and waits for its blocks.
func (c *Client) send(ctx context.Context, blocks int, command, text string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("tmux %s: %w", command, err)
	}
	r := &request{command: command, blocks: blocks, answer: make(chan answer, 1)}
	if err := c.enqueue(r, text); err != nil {
		return nil, err
	}
	select {
	case a := <-r.answer:
		return a.blocks, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("tmux %s: %w", command, ctx.Err())
	}
}

// enqueue adds a request and its line to their queues, in the same order.
func (c *Client) enqueue(r *request, text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return c.endedErr
	}
	if len(c.out) > 0 && len(c.out)+len(text) > maxBacklog {
		return fmt.Errorf("tmux %s: %w", r.command, ErrBusy)
	}
	c.waiting = append(c.waiting, r)
	c.out = append(append(c.out, text...), '\n')
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// write writes queued lines to tmux. Lines that were queued together are one write.
func (c *Client) write() {
	var buf []byte
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		c.mu.Lock()
		buf, c.out = c.out, buf[:0]
		c.mu.Unlock()
		if _, err := c.child.Stdin.Write(buf); err != nil {
			return // tmux is gone, which the reader notices
		}
		if cap(buf) > 1<<20 {
			buf = nil // release the memory of a long prompt
		}
	}
}

// read parses the output of tmux into replies and events until it ends.
func (c *Client) read() {
	in := bufio.NewReaderSize(c.child.Stdout, 64<<10)
	var s stream
	reason := "the control client ended"
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			break
		}
		done, note := s.add(strings.TrimSuffix(l, "\n"))
		if done != nil && !c.reply(done) {
			reason = "tmux sent an unexpected reply"
			break
		}
		if note == "" {
			continue
		}
		if r, ok := strings.CutPrefix(note, "%exit"); ok {
			if reason = strings.TrimSpace(r); reason == "" {
				reason = "detached"
			}
			continue
		}
		if id, ok := strings.CutPrefix(note, "%session-changed "); ok {
			c.attached(id)
			continue
		}
		if e, ok := parseEvent(note); ok {
			c.emit(e)
		}
	}
	c.finish(reason)
}

// attached records the attached session. The first time it means that the client is connected.
func (c *Client) attached(rest string) {
	id, _, _ := strings.Cut(rest, " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.own == ""
	c.own = SessionID(id)
	if first {
		close(c.ready)
	}
}

// reply delivers a block to the oldest request. It returns false if there is none; later blocks could not be matched
// then.
func (c *Client) reply(b *block) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !b.ours {
		if c.own == "" && b.failed {
			c.refusal = strings.Join(b.lines, "; ")
		}
		return true
	}
	if len(c.waiting) == 0 {
		return false
	}
	r := c.waiting[0]
	a := answer{}
	switch {
	case b.failed:
		a.err = &CommandError{Command: r.command, Message: strings.Join(b.lines, "; ")}
		a.blocks = r.got
	case len(r.got)+1 < r.blocks:
		r.got = append(r.got, b.lines)
		return true
	default:
		a.blocks = append(r.got, b.lines)
	}
	c.waiting = c.waiting[1:]
	r.answer <- a
	return true
}

// finish fails all open requests and closes the channels.
func (c *Client) finish(reason string) {
	c.mu.Lock()
	c.ended = true
	c.endedErr = fmt.Errorf("%w: %s", ErrDisconnected, reason)
	waiting := slices.Clone(c.waiting)
	c.waiting, c.out = nil, nil
	err := c.endedErr
	c.mu.Unlock()
	for _, r := range waiting {
		r.answer <- answer{err: fmt.Errorf("tmux %s: %w", r.command, err)}
	}
	c.emit(Event{Kind: Exit, Reason: reason})
	close(c.events)
	close(c.done)
}

// watch closes the connection when either side has ended. The server holds a copy of the client's output, so a stopped
// server would keep the reader waiting after the death of its client.
func (c *Client) watch() {
	select {
	case <-c.done:
	case <-c.child.Done():
		late := time.NewTimer(time.Second)
		defer late.Stop()
		select {
		case <-c.done: // all output has been read
		case <-late.C:
		}
	}
	c.child.Close()
}

// isGone reports whether an error means that the target does not exist.
func isGone(err error) bool { return errors.Is(err, ErrNoTarget) || errors.Is(err, ErrNoPane) }
