package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/status"
	"muster/internal/text"
)

const (
	// between is the minimum time between two draws that are not caused by typing.
	between = 500 * time.Millisecond
	// maxDraft bounds the draft in bytes.
	maxDraft = 4 << 20
	// leave is how long a turn may take to end when the program ends.
	leave = 2 * time.Second
)

// quitWord ends the program with status 0, as those of real agents do. A message of muster is never the word alone.
const quitWord = "/exit"

// errInterrupted is the cause of a turn that Ctrl-C interrupted.
var errInterrupted = errors.New(broken)

// broken is how a turn ended that was interrupted.
const broken = "interrupted"

// Main runs `muster sim` and returns the exit status. It runs until its script or a signal ends it.
func Main(args []string, stdin, stdout *os.File, getenv func(string) string) int {
	o, err := parse(args, getenv)
	if err != nil {
		_, _ = fmt.Fprintln(stdout, err)
		return 2
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGWINCH, syscall.SIGCONT)
	defer signal.Stop(signals)
	// The two lines enclose everything else: tests use them to see that two programs never run at the same time.
	o.mark("begin")
	defer o.mark("end")
	p := &program{
		opts: o, in: stdin, screen: newScreen(stdout, fmt.Sprintf("sim %s.%d  %s", o.task, o.gen, o.conversation)),
		file: transcript{path: o.transcript(), gen: o.gen}, signals: signals, over: make(chan outcome, 1),
	}
	exit, err := p.run()
	if err != nil {
		_, _ = fmt.Fprintln(stdout, err)
		return 1
	}
	return exit
}

// mark appends a line to the log that tests read.
func (o options) mark(words ...any) {
	if o.log == "" {
		return
	}
	_ = appendFile(o.log, fmt.Appendf(nil, "%s %d %d %s %s\n", fmt.Sprint(words...), os.Getpid(), o.gen, o.conversation,
		time.Now().UTC().Format(time.RFC3339Nano)))
}

// program is the loop's state. Data that a turn shares with the loop is atomic or has its own lock.
type program struct {
	opts    options
	in      *os.File
	screen  *screen
	file    transcript
	signals chan os.Signal
	over    chan outcome
	quit    bool // a person has typed quitWord
	root    *os.Root
	keys    keyboard
	draft   string
	queue   []string
	cancel  context.CancelCauseFunc // cancels the running turn; nil if there is none
	drawn   time.Time
	// progress belongs to the loop between turns, and to the turn while one runs.
	progress progress

	silent  atomic.Bool  // no records
	hung    atomic.Bool  // no input
	stone   atomic.Bool  // signals are ignored, too
	swallow atomic.Int64 // number of Enters to ignore
	dialog  dialog
}

// outcome is how a turn ended.
type outcome struct {
	how        string // for the transcript and the screen
	exits      bool
	exit       int
	silent     bool          // its own record has reported the end
	background time.Duration // duration of work in the background; 0 is none
}

func (p *program) run() (int, error) {
	if err := p.open(); err != nil {
		return 0, err
	}
	defer p.root.Close() //nolint:errcheck // a directory
	prompt, err := p.opts.firstPrompt()
	if err != nil {
		return 0, err
	}
	if status, ended := p.startSlowly(prompt); ended {
		return status, nil
	}
	restore := p.rawMode()
	defer restore()
	p.firstRecord(prompt)
	if strings.TrimSpace(prompt) != "" {
		p.begin(prompt)
	}
	status := p.loop()
	p.endTurn()
	return status, nil
}

// open reads the conversation so far and the script, and records that a process begins.
func (p *program) open() error {
	var err error
	if p.opts.stateDir != "" {
		if err := os.MkdirAll(p.opts.stateDir, 0o700); err != nil {
			return fmt.Errorf("sim: %w", err)
		}
	}
	p.progress = progress{once: map[string]bool{}}
	if p.file.path != "" {
		if p.progress, err = readProgress(p.file.path); err != nil {
			return fmt.Errorf("sim: %w", err)
		}
	}
	if err := p.write(line{Kind: lineBegin, Resume: p.opts.resume}); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	if p.root, err = os.OpenRoot(p.opts.worktree); err != nil {
		return fmt.Errorf("sim: worktree: %w", err)
	}
	return nil
}

// write appends a line to the transcript and to the progress.
func (p *program) write(l line) error {
	p.progress.fold(l)
	return p.file.write(l)
}

// startSlowly waits as a slow program would, before its first record and before it reads a key.
func (p *program) startSlowly(prompt string) (exit int, ended bool) {
	t, _ := p.choose(prompt)
	p.silent.Store(t.has("no-record"))
	i := slices.IndexFunc(t, func(s step) bool { return s.verb == "slow-start" })
	if i < 0 {
		return 0, false
	}
	ready := time.After(t[i].wait)
	for {
		select {
		case <-ready:
			return 0, false
		case s := <-p.signals:
			if exit, ended := p.signal(s); ended {
				return exit, true
			}
		}
	}
}

// rawMode switches the terminal to raw mode, if there is one, and returns the function that restores it.
func (p *program) rawMode() func() {
	fd := int(p.in.Fd())
	old, err := term.MakeRaw(fd)
	if err != nil {
		return func() {}
	}
	_ = p.screen.raw([]byte("\x1b[?2004h"))
	return func() {
		_ = p.screen.raw([]byte("\x1b[?2004l\r\n"))
		_ = term.Restore(fd, old)
	}
}

// firstRecord reports that the program has started.
func (p *program) firstRecord(prompt string) {
	state := event.RecordWorking // a prompt is on its way
	if strings.TrimSpace(prompt) == "" {
		state = event.RecordIdle
	}
	p.record(event.Record{State: state, Note: "started"})
}

// record appends a status record with the fields that every record has.
func (p *program) record(r event.Record) {
	if p.silent.Load() || p.opts.statusFile == "" {
		return
	}
	r.Src, r.SessionID, r.Transcript = "sim", p.opts.conversation, p.file.path
	if r.Gen == 0 {
		r.Gen = p.opts.gen
	}
	if err := status.Append(p.opts.statusFile, r); err != nil {
		p.screen.say("! %v", err)
	}
}

// loop handles input, signals and timers. It has no timer while the program is idle.
func (p *program) loop() int {
	input := p.read()
	var draw, spin, background <-chan time.Time
	p.draw()
	for {
		if spin == nil && p.cancel != nil {
			spin = time.After(between)
		}
		select {
		case chunk, ok := <-input:
			if !ok {
				if p.screen.tty {
					return 128 + int(syscall.SIGHUP) // the terminal is gone
				}
				input = nil
				continue
			}
			p.typed(chunk)
			p.draw()
			if p.quit {
				return 0
			}
		case s := <-p.signals:
			if exit, ended := p.signal(s); ended {
				return exit
			}
		case out := <-p.over:
			if out.exits {
				return out.exit
			}
			background = p.turnOver(out)
		case <-background:
			background = nil
			if p.cancel == nil {
				p.record(event.Record{State: event.RecordIdle, Note: "background work is over"})
			}
		case <-p.screen.dirty:
			if draw == nil {
				draw = time.After(max(0, between-time.Since(p.drawn)))
			}
		case <-draw:
			draw = nil
			p.draw()
		case <-spin:
			spin = nil
			p.screen.change(func(s *screen) {
				if !p.hung.Load() { // what hangs stands still
					s.beat++
				}
			})
		}
	}
}

func (p *program) draw() {
	p.drawn = time.Now()
	p.screen.draw()
}

// read returns a channel of the reads from the terminal. It is closed with the terminal.
func (p *program) read() <-chan []byte {
	input := make(chan []byte)
	go func() {
		defer close(input)
		buf := make([]byte, 64<<10)
		for {
			n, err := p.in.Read(buf)
			if n > 0 {
				input <- slices.Clone(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	return input
}

// signal handles one signal. ended is true if the program must exit with that status.
func (p *program) signal(s os.Signal) (exit int, ended bool) {
	switch s {
	case syscall.SIGTERM, syscall.SIGHUP:
		if p.stone.Load() {
			return 0, false
		}
		number, _ := s.(syscall.Signal)
		return 128 + int(number), true
	case syscall.SIGINT:
		p.interrupt()
	case syscall.SIGWINCH, syscall.SIGCONT:
		p.draw()
	}
	return 0, false
}

// interrupt interrupts the running turn, if there is one.
func (p *program) interrupt() {
	if p.cancel != nil && !p.hung.Load() {
		p.cancel(errInterrupted)
	}
}

// typed handles the bytes of one read.
func (p *program) typed(chunk []byte) {
	if p.hung.Load() {
		return
	}
	for _, k := range p.keys.read(chunk) {
		if k.kind == keyInterrupt {
			p.interrupt()
			continue
		}
		if p.dialog.key(k) {
			continue
		}
		switch k.kind {
		case keyText:
			if len(p.draft)+len(k.text) <= maxDraft {
				p.draft += k.text
			}
		case keyErase:
			_, n := utf8.DecodeLastRuneInString(p.draft)
			p.draft = p.draft[:len(p.draft)-n]
		case keyClear:
			p.draft = ""
		case keyEnter:
			p.enter()
		case keyInterrupt:
		}
	}
	p.screen.change(func(s *screen) { s.draft = p.draft })
}

// enter submits the draft.
func (p *program) enter() {
	if p.swallow.Load() > 0 {
		p.swallow.Add(-1)
		return
	}
	draft := p.draft
	if strings.TrimSpace(draft) == "" {
		return
	}
	p.draft = ""
	if strings.TrimSpace(draft) == quitWord {
		p.quit = true
		return
	}
	if p.cancel == nil {
		p.begin(draft)
		return
	}
	// A real agent keeps it in memory until the turn is over. Only the transcript records it.
	if err := p.file.write(line{Kind: lineQueued, Text: draft}); err != nil {
		p.screen.say("! %v", err)
	}
	p.queue = append(p.queue, draft)
	p.screen.say("queued: %s", text.Line(draft, 200))
}

// begin starts the turn of a prompt.
func (p *program) begin(prompt string) {
	t, err := p.choose(prompt)
	number, from := p.progress.turns+1, 0
	if p.progress.open {
		number, from = p.progress.turns, p.progress.done
	}
	if werr := p.write(line{Kind: linePrompt, Turn: number, Text: prompt}); werr != nil {
		p.screen.say("! %v", werr)
	}
	p.silent.Store(t.has("no-record"))
	p.acknowledge(prompt, number)
	p.screen.change(func(s *screen) { s.state = "working" })
	p.screen.say("» %s", text.Line(prompt, 200))
	ctx, cancel := context.WithCancelCause(context.Background())
	p.cancel = cancel
	go func() { p.over <- p.perform(ctx, t, err, number, from) }()
}

// acknowledge records the start of a turn and each message in its prompt.
func (p *program) acknowledge(prompt string, number int) {
	r := event.Record{State: event.RecordWorking, Prompted: true, PromptID: fmt.Sprintf("p%d", number)}
	ids := agent.Tags(prompt)
	for _, id := range ids {
		r.Message = id
		p.record(r)
	}
	if len(ids) == 0 {
		p.record(r)
	}
}

// choose returns the steps for a prompt. A turn that was interrupted continues with its own steps.
func (p *program) choose(prompt string) (turn, error) {
	number, source := p.progress.turns+1, prompt
	if p.progress.open {
		number, source = p.progress.turns, p.progress.last
	}
	first := p.progress.first
	if first == "" {
		first = source
	}
	if own, ok := block(source); ok && source != first {
		return turnOf(own, 1)
	}
	given, err := p.opts.givenScript()
	if err != nil {
		return nil, err
	}
	if given != "" {
		return turnOf(given, number)
	}
	if script, ok := block(first); ok {
		return turnOf(script, number)
	}
	return unscripted(p.opts.task, source), nil
}

// turnOf returns the turn with that number; the last one repeats.
func turnOf(script string, number int) (turn, error) {
	turns, err := parseScript(script)
	if err != nil {
		return nil, err
	}
	return turns[min(number, len(turns))-1], nil
}

// turnOver records how the turn ended and starts the next queued prompt. The channel fires when the work in the
// background is over; it is nil if there is none.
func (p *program) turnOver(out outcome) <-chan time.Time {
	p.cancel(nil)
	p.cancel = nil
	if err := p.write(line{Kind: lineEnd, Turn: p.progress.turns, Text: out.how}); err != nil {
		p.screen.say("! %v", err)
	}
	p.screen.change(func(s *screen) { s.state, s.note = "", "" })
	p.screen.say("· turn over: %s", out.how)
	if !out.silent {
		p.record(event.Record{State: event.RecordIdle, Note: out.how, Background: out.background > 0, Interrupted: out.how == broken})
	}
	if len(p.queue) > 0 {
		next := p.queue[0]
		p.queue = p.queue[1:]
		p.begin(next)
		return nil
	}
	if out.background > 0 {
		return time.After(out.background)
	}
	return nil
}

// endTurn cancels a running turn because the program ends, and waits a moment for it to end its children.
func (p *program) endTurn() {
	if p.cancel == nil {
		return
	}
	p.cancel(context.Canceled)
	select {
	case <-p.over:
	case <-time.After(leave):
	}
}
