package acp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/regular"
	"muster/internal/run"
	"muster/internal/status"
	"muster/internal/text"
)

const (
	// noteLimit and nameLimit are the maximum lengths of a note and of a name or id, in bytes.
	noteLimit = 300
	nameLimit = 200
	// maxOther is how many bytes of a line that is no message are shown.
	maxOther = 2000
	// maxHandover is the maximum size in bytes of the messages of one prompt. The others follow with the next.
	maxHandover = 1 << 20
	// between is the time between two writes to the pane.
	between = 100 * time.Millisecond
	// pulse is the time between two records of a turn that goes on.
	pulse = 5 * time.Second
	// leave is how long the agent may take to end after its input has ended, before it gets a signal.
	leave = 3 * time.Second
	// lastWords is how long what the agent's program said before its end may take to arrive.
	lastWords = 500 * time.Millisecond
)

// Main runs `muster acp FILE` and returns the exit status. It runs until the agent's program, a person or a signal ends it.
func Main(args []string, stdin, stdout *os.File, getenv func(string) string) int {
	if len(args) == 0 {
		_, _ = fmt.Fprintln(stdout, "usage: muster acp FILE [CONVERSATION]")
		return 2
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	pane := run.NewFreeWriter(stdout)
	defer pane.Flush()
	var typed io.Reader
	if term.IsTerminal(int(stdin.Fd())) { //nolint:gosec // descriptors are small
		typed = stdin
	}
	return Run(context.Background(), Setting{File: args[0], Typed: typed, Pane: pane, Env: os.Environ(), Getenv: getenv, Signals: signals})
}

// Setting is what a program runs in.
type Setting struct {
	File    string    // of the launch
	Typed   io.Reader // lines of a person; nil if nobody can type
	Pane    io.Writer
	Env     []string // of the agent
	Getenv  func(string) string
	Signals <-chan os.Signal
}

// Run runs the program of one generation and returns its exit status.
func Run(ctx context.Context, s Setting) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &program{
		screen: screen{out: s.Pane}, signals: s.Signals, bell: make(chan struct{}, 1), typed: make(chan string), decided: make(chan decision, maxRequests),
		waits: map[string]string{}, tools: map[string]toolCall{}, began: map[string]bool{},
	}
	defer p.show()
	var ok bool
	if p.Hooked, ok = agent.OpenHook(agent.HookCall{Event: Verb, Getenv: s.Getenv}, nil); !ok {
		p.screen.line("!", "this is no agent of a fleet")
		return 2
	}
	b, err := regular.Read(s.File, maxLaunch)
	if err == nil {
		err = json.Unmarshal(b, &p.launch)
	}
	if err != nil || len(p.launch.Argv) == 0 {
		p.screen.line("!", fmt.Sprintf("the launch cannot be read: %v", err))
		return 1
	}
	p.box = p.Box()
	release, err := p.box.Waiter(true)
	if err != nil {
		p.screen.line("!", fmt.Sprintf("the mailbox cannot be read: %v", err))
		return 1
	}
	defer release()
	errs := &complaints{lines: make(chan string, 1)}
	p.errs = errs.lines
	if p.agent, err = startPeer(ctx, p.launch.Argv, p.launch.Worktree, s.Env, text.NewWriter(errs, false)); err != nil {
		p.screen.line("!", err.Error())
		return 1
	}
	if s.Typed != nil {
		go readTyped(ctx, s.Typed, p.typed)
	}
	p.screen.line("#", "speaks the Agent Client Protocol with "+filepath.Base(p.launch.Argv[0])+"; a line that you type is a prompt, ^C interrupts, /quit ends")
	p.begin()
	exit := p.loop(ctx)
	p.end(ctx)
	return exit
}

// complaints passes what the agent's program prints to standard error to the loop. What the loop does not take in time is dropped.
type complaints struct{ lines chan string }

// Write implements io.Writer. It never fails and never waits: the agent's program must not stand still because of it.
func (c *complaints) Write(b []byte) (int, error) {
	select {
	case c.lines <- string(b[:min(len(b), maxOther)]):
	default:
	}
	return len(b), nil
}

// readTyped passes on the lines that a person types; their end is the end of the program.
func readTyped(ctx context.Context, in io.Reader, to chan<- string) {
	lines := regular.NewLines(in, maxHandover)
	for {
		line, err := lines.Next()
		words := strings.TrimRight(string(line), "\r\n")
		if err != nil {
			words = leaves
		}
		select {
		case to <- words:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// leaves is what a person types to end the program.
const leaves = "/quit"

// program is the state of the loop. Only the loop touches it.
type program struct {
	agent.Hooked
	launch  launchFile
	box     mail.Box
	agent   *peer
	screen  screen
	signals <-chan os.Signal
	errs    <-chan string
	typed   chan string
	bell    chan struct{} // rings when something has come
	listens bool
	decided chan decision

	waits   map[string]string // methods of open calls, by id
	session string            // "" until a conversation is open
	takesUp string            // the method by which the agent can take it up
	replay  *replay           // while a conversation is replayed
	model   string
	cost    float64 // of the conversation so far, as the agent says
	counted float64 // of it that was written down
	turns   int
	turn    *turn // nil between turns
	queue   []string
	told    int                 // refusals that were told one after another
	tools   map[string]toolCall // of the turn, by their ids
	began   map[string]bool     // those whose begin was recorded
	open    int                 // requests that wait
	pulsed  time.Time
	flush   <-chan time.Time
	ends    bool
	exit    int
}

// turn is one prompt and what the agent makes of it.
type turn struct {
	call      string // id of the call
	text      string
	taken     bool // it is part of the conversation
	cancelled bool // muster or a person has interrupted it
	refused   []string
	ctx       context.Context
	cancel    context.CancelFunc
}

// replay is what the agent tells of a conversation that it takes up.
type replay struct {
	chunks []string
	size   int
}

// loop runs until the program ends, and returns the exit status.
func (p *program) loop(ctx context.Context) int {
	for !p.ends {
		if p.flush == nil && p.screen.dirty() {
			p.flush = time.After(between)
		}
		if p.agent.full {
			p.fail("the agent's program does not read what it is told")
			break
		}
		select {
		case m, more := <-p.agent.in:
			if !more {
				p.fail("the agent's program says no more")
				break
			}
			p.hear(m)
		case <-p.agent.child.Done():
			p.drain()
			p.fail("the agent's program has ended")
		case s := <-p.signals:
			p.signal(s)
		case <-p.bell:
			p.listens = false
		case line := <-p.typed:
			p.person(line)
		case d := <-p.decided:
			p.open--
			p.decide(d)
		case words := <-p.errs:
			p.screen.line("!", words)
		case <-p.flush:
			p.show()
		case <-ctx.Done():
			return 1
		}
		if !p.ends {
			p.next(ctx)
		}
	}
	return p.exit
}

// drain hears what the agent's program said before it ended. A process that it left may hold its output open.
func (p *program) drain() {
	enough := time.After(lastWords)
	for {
		select {
		case m, more := <-p.agent.in:
			if !more {
				return
			}
			p.hear(m)
		case <-enough:
			return
		}
	}
}

// fail ends the program because the agent cannot go on. The next generation takes the conversation up.
func (p *program) fail(why string) {
	if p.ends {
		return
	}
	p.screen.line("!", why)
	p.ends, p.exit = true, 1
}

// show writes the transcript to the pane.
func (p *program) show() {
	p.flush = nil
	if p.screen.dirty() {
		p.screen.flush()
	}
}

// end ends the agent's program: it has time to end by itself when its input ends.
func (p *program) end(ctx context.Context) {
	if p.turn != nil {
		p.interrupt()
		p.turn.cancel()
	}
	p.agent.close()
	p.show()
	p.awaits(ctx, leave)
	_ = p.agent.child.Signal(syscall.SIGTERM)
	p.awaits(ctx, time.Second)
	go func() {
		for range p.agent.in { // the reader of the program's output must not block
		}
	}()
	p.agent.child.Close()
	p.Asked().CloseAll()
}

// awaits waits for the end of the agent's program, and hears it meanwhile.
func (p *program) awaits(ctx context.Context, limit time.Duration) {
	enough := time.After(limit)
	in := p.agent.in
	for {
		select {
		case _, more := <-in:
			if !more {
				in = nil
			}
		case <-p.agent.child.Done():
			return
		case <-p.errs:
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
	}
}

// signal handles a signal to this process.
func (p *program) signal(s os.Signal) {
	if s == syscall.SIGINT {
		if p.turn == nil {
			p.screen.line("#", "no turn runs; /quit ends")
			return
		}
		p.interrupt()
		return
	}
	p.ends, p.exit = true, 1
	if n, ok := s.(syscall.Signal); ok {
		p.exit = 128 + int(n)
	}
}

// interrupt asks the agent to end its turn. Its open requests are answered as cancelled.
func (p *program) interrupt() {
	if p.turn.cancelled {
		return
	}
	p.screen.line("#", "interrupted")
	p.turn.cancelled = true
	p.turn.cancel()
	p.agent.notify(methodCancel, map[string]any{"sessionId": p.session})
}

// person handles a line that a person has typed.
func (p *program) person(line string) {
	switch strings.TrimSpace(line) {
	case "":
	case leaves, "/exit":
		p.ends = true
	default:
		p.queue = append(p.queue, line)
	}
}

// collect gives an idle agent what waits for it: what a person typed, or messages. It reports whether something did, and returns the
// messages that the log does not have.
func (p *program) collect(ctx context.Context) (forged []event.MessageID, some bool) {
	var words []string
	if len(p.queue) > 0 {
		words = []string{agent.Quote(strings.Join(p.queue, "\n"))}
		p.queue = nil
	} else {
		words, forged = agent.Collect(p.box, maxHandover)
	}
	if len(words) == 0 {
		return forged, false
	}
	p.told = 0
	p.prompt(ctx, strings.Join(words, "\n\n"))
	return nil, true
}

// next gives an idle agent what waits for it, or listens for it. It looks again only after the mailbox has rung: a process that forges
// messages must not make this one read the log all the time.
func (p *program) next(ctx context.Context) {
	if p.session == "" || p.turn != nil || p.ends || p.listens && len(p.queue) == 0 {
		return
	}
	forged, some := p.collect(ctx)
	if some || p.listens {
		return
	}
	p.listens = true
	go func() {
		for {
			err := p.Listen(ctx, p.box, forged)
			if errors.Is(err, mail.ErrReplaced) || ctx.Err() != nil {
				return
			}
			if err == nil {
				break
			}
			select { // the mailbox cannot be read at this moment
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
		select {
		case p.bell <- struct{}{}:
		case <-ctx.Done():
		}
	}()
}

// write appends a record with the fields that every record has. An error is ignored, because a status file that cannot be written
// must not stop the agent. It may be called by several goroutines.
func (p *program) write(r event.Record) {
	r.Time, r.Gen, r.SessionID = time.Now().UTC(), p.Gen, p.launch.Conversation
	if r.Src == "" {
		r.Src = event.SrcHook
	}
	_ = status.Append(p.StatusFile, r)
}

// goesOn writes a record of continued work, unless a request waits for a person.
func (p *program) goesOn(r event.Record) {
	p.pulsed = time.Now()
	p.Asked().GoesOn("", r, p.write)
}

// entrySession is the type of the line of a journal that tells by which method a conversation can be taken up.
const entrySession = "session"

// note appends a line to the journal of the conversation.
func (p *program) note(e agent.Entry) {
	e.Session, e.Time = p.session, time.Now().UTC()
	b, err := json.Marshal(e)
	if err != nil {
		return
	}
	path := filepath.Join(p.Files.RW(), agent.JournalName)
	f, err := regular.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		p.screen.line("!", fmt.Sprintf("the journal cannot be written: %v", err))
		return
	}
	_, err = f.Write(append(b, '\n'))
	if closed := f.Close(); err != nil || closed != nil {
		p.screen.line("!", fmt.Sprintf("the journal cannot be written: %v", errors.Join(err, closed)))
	}
}
