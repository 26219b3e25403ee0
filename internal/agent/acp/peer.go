package acp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"muster/internal/regular"
	"muster/internal/run"
)

const (
	// maxLine bounds one line of the agent in bytes; a longer one is left out.
	maxLine = 16 << 20
	// linesWaiting is how many lines may wait for an agent that does not read.
	linesWaiting = 256
	// saidWaiting is how many lines of the agent may wait for the program. Then the agent waits.
	saidWaiting = 64
)

// said is one line of the agent.
type said struct {
	message
	// other is a line that is no message, such as one of a library that prints to standard output; long is set for one that was left out.
	other []byte
	long  bool
}

// peer is the agent's program and the lines between it and this one. Its methods are called by one goroutine.
type peer struct {
	child *run.Child
	out   chan []byte
	in    chan said // closed when the agent says no more
	last  int64
	full  bool // the agent does not read
	close func()
}

// startPeer starts the agent's program. What it prints to standard error goes to errs.
func startPeer(ctx context.Context, argv []string, dir string, env []string, errs io.Writer) (*peer, error) {
	child, err := run.Start(ctx, run.Spec{Argv: argv, Dir: dir, Env: env, Pipes: true, Stderr: errs})
	if err != nil {
		return nil, err
	}
	p := &peer{child: child, out: make(chan []byte, linesWaiting), in: make(chan said, saidWaiting)}
	p.close = sync.OnceFunc(func() { close(p.out) })
	go p.write()
	go p.read()
	return p, nil
}

// write passes lines to the agent until there will be no more, and then ends its input.
func (p *peer) write() {
	defer p.child.Stdin.Close() //nolint:errcheck // the agent reads no more
	for line := range p.out {
		if _, err := p.child.Stdin.Write(line); err != nil {
			for range p.out { // it has ended, or ends
			}
			return
		}
	}
}

// read passes on what the agent says.
func (p *peer) read() {
	defer close(p.in)
	lines := regular.NewLines(p.child.Stdout, maxLine)
	for {
		line, err := lines.Next()
		switch {
		case err != nil:
			return // with a torn line
		case len(line) == 0:
			p.in <- said{long: true}
			continue
		case len(line) == 1:
			continue
		}
		s := said{}
		err = json.Unmarshal(line, &s.message)
		if _, odd := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !odd || s.Method == "" && len(s.ID) == 0 {
			s = said{other: append([]byte(nil), line[:min(len(line), maxOther)]...)}
		}
		p.in <- s
	}
}

// send passes a message to the agent without waiting for it.
func (p *peer) send(m message) {
	m.Version = "2.0"
	line, err := json.Marshal(m)
	if err != nil {
		return // a raw message came from the agent as JSON
	}
	select {
	case p.out <- append(line, '\n'):
	default:
		p.full = true
	}
}

// call calls a method of the agent, and returns the id of its answer.
func (p *peer) call(method string, params any) (id string, err error) {
	b, err := json.Marshal(params)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", method, err)
	}
	p.last++
	id = strconv.FormatInt(p.last, 10)
	p.send(message{ID: json.RawMessage(id), Method: method, Params: b})
	return id, nil
}

// notify tells the agent something.
func (p *peer) notify(method string, params any) {
	if b, err := json.Marshal(params); err == nil {
		p.send(message{Method: method, Params: b})
	}
}

// answer answers a call of the agent.
func (p *peer) answer(id json.RawMessage, result any) {
	if b, err := json.Marshal(result); err == nil {
		p.send(message{ID: id, Result: b})
	}
}

// refuse answers a call of the agent for a method that this side does not have.
func (p *peer) refuse(m message) {
	p.send(message{ID: m.ID, Error: &callError{Code: codeNoMethod, Message: "method not found"}})
}
