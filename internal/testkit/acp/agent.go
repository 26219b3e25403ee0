package acp

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/run"
)

// Name is the name under which a test binary is this agent.
const Name = "acp-agent"

// State is the variable with the directory of its conversations.
const State = "ACP_AGENT_STATE"

// Install makes the running test binary this agent in a directory: TestMain calls Main if it runs under Name.
func Install(t testing.TB, dir string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, Name)
	if os.Link(self, path) == nil { // a fence that has the directory lets it run, which is not so of a symbolic link
		return path
	}
	data, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(path, data, 0o700) //nolint:gosec // a program
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Called reports whether a process runs as this agent.
func Called(argv0 string) bool { return filepath.Base(argv0) == Name }

// call is a message of either side.
type call struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// talk is a conversation, as it is kept.
type talk struct {
	ID      string   `json:"id"`
	Prompts []string `json:"prompts"`
	// Turns are the scripts of the turns that follow, from the first prompt that had some.
	Turns []string `json:"turns"`
	Next  int      `json:"next"`
	Ran   []string `json:"ran"` // "ran " and each command
}

// program is the agent.
type program struct {
	flags   map[string]bool
	out     *bufio.Writer
	mu      sync.Mutex
	talk    *talk
	answers chan call
	cancel  chan struct{}
	exit    chan int
	asked   int
}

// Main runs the agent on the standard streams and returns its exit status. Flags: -no-load, -no-session, -v0.
func Main(args []string) int {
	p := &program{flags: map[string]bool{}, out: bufio.NewWriter(os.Stdout), answers: make(chan call), cancel: make(chan struct{}, 1), exit: make(chan int)}
	for _, a := range args {
		p.flags[a] = true
	}
	go p.listen()
	return <-p.exit
}

// listen handles what the other side says, to its end.
func (p *program) listen() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			p.exit <- 0
			return
		}
		var c call
		if json.Unmarshal(line, &c) != nil {
			fmt.Fprintf(os.Stderr, "not JSON: %.200q\n", line)
			continue
		}
		switch c.Method {
		case "":
			go func() { p.answers <- c }()
		case "session/cancel":
			select {
			case p.cancel <- struct{}{}:
			default:
			}
		case "session/prompt":
			go p.prompt(c)
		default:
			p.handle(c)
		}
	}
}

func (p *program) handle(c call) {
	var in struct {
		Session string `json:"sessionId"`
		Value   string `json:"value"`
	}
	_ = json.Unmarshal(c.Params, &in)
	switch c.Method {
	case "initialize":
		version := 1
		if p.flags["-v0"] {
			version = 0
		}
		p.result(c.ID, map[string]any{
			"protocolVersion": version, "agentCapabilities": map[string]any{"loadSession": !p.flags["-no-load"]},
			"agentInfo": map[string]any{"name": Name, "version": "1"},
		})
	case "session/new":
		if p.flags["-no-session"] {
			p.fail(c.ID, -32000, "Authentication required")
			return
		}
		p.talk = &talk{ID: fmt.Sprintf("talk-%d-%d", os.Getpid(), time.Now().UnixNano())}
		p.result(c.ID, map[string]any{"sessionId": p.talk.ID, "configOptions": p.options("small")})
	case "session/load":
		b, err := os.ReadFile(p.file(in.Session))
		t := &talk{}
		if err != nil || json.Unmarshal(b, t) != nil {
			p.fail(c.ID, -32002, "no such conversation")
			return
		}
		p.talk = t
		for _, words := range t.Prompts {
			p.update(map[string]any{"sessionUpdate": "user_message_chunk", "content": block(words)})
			p.update(map[string]any{"sessionUpdate": "agent_message_chunk", "content": block("as I said")})
		}
		p.result(c.ID, map[string]any{"configOptions": p.options("small")})
	case "session/set_config_option":
		p.result(c.ID, map[string]any{"configOptions": p.options(in.Value)})
	default:
		p.fail(c.ID, -32601, "no such method")
	}
}

func (p *program) options(model string) any {
	return []any{map[string]any{"id": "the-model", "category": "model", "type": "select", "currentValue": model}}
}

func block(words string) any { return map[string]any{"type": "text", "text": words} }

// file returns the file of a conversation.
func (p *program) file(id string) string {
	dir := os.Getenv(State)
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Join(dir, filepath.Base(id)+".json")
}

func (p *program) keep() {
	b, err := json.Marshal(p.talk)
	if err == nil {
		err = os.WriteFile(p.file(p.talk.ID), b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (p *program) send(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	p.raw(string(b) + "\n")
}

func (p *program) raw(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.out.WriteString(s)
	_ = p.out.Flush()
}

func (p *program) result(id json.RawMessage, v any) {
	p.send(map[string]any{"jsonrpc": "2.0", "id": id, "result": v})
}

func (p *program) fail(id json.RawMessage, code int, words string) {
	p.send(map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{"code": code, "message": words}})
}

func (p *program) update(v any) {
	p.send(map[string]any{"jsonrpc": "2.0", "method": "session/update", "params": map[string]any{"sessionId": p.talk.ID, "update": v}})
}

// prompt runs a turn: the script of the prompt, or the next of the conversation.
func (p *program) prompt(c call) {
	var in struct {
		Prompt []struct {
			Text string `json:"text"`
		} `json:"prompt"`
	}
	_ = json.Unmarshal(c.Params, &in)
	words := ""
	for _, b := range in.Prompt {
		words += b.Text
	}
	select { // of a turn that is over
	case <-p.cancel:
	default:
	}
	p.talk.Prompts = append(p.talk.Prompts, words)
	if _, script, ok := strings.Cut(words, "```acp\n"); ok && len(p.talk.Turns) == 0 {
		script, _, _ = strings.Cut(script, "```")
		p.talk.Turns, p.talk.Next = strings.Split(script, "---\n"), 0
	}
	script := "say nothing is left to do"
	if p.talk.Next < len(p.talk.Turns) {
		script = p.talk.Turns[p.talk.Next]
		p.talk.Next++
	}
	p.keep()
	reason := "end_turn"
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		over, why := p.step(c, verb, rest)
		if why != "" {
			reason = why
		}
		if over {
			return
		}
		if why != "" {
			break
		}
	}
	p.result(c.ID, map[string]any{"stopReason": reason, "usage": map[string]any{"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}})
}

// step does one line of a script. over says that the turn has its answer already, and why ends it.
func (p *program) step(c call, verb, rest string) (over bool, why string) {
	switch verb {
	case "say":
		p.update(map[string]any{"sessionUpdate": "agent_message_chunk", "content": block(rest + "\n")})
	case "run": // without asking
		p.run(rest, true)
	case "ask": // asks before it runs
		return false, p.ask(rest)
	case "ask-and-end": // ends its turn if it may not
		if why := p.ask(rest); why != "" || p.asked < 0 {
			return false, "cancelled"
		}
	case "wait": // for a file in the worktree
		for {
			if _, err := os.Stat(rest); err == nil {
				return false, ""
			}
			select {
			case <-p.cancel:
				return false, "cancelled"
			case <-time.After(20 * time.Millisecond):
			}
		}
	case "hang": // until it is told to stop
		<-p.cancel
		return false, "cancelled"
	case "deaf": // never ends, whatever it is told
		select {}
	case "stop":
		return false, rest
	case "error":
		code, words, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(code)
		p.fail(c.ID, n, words)
		return true, ""
	case "raw":
		p.raw(rest + "\n")
	case "torn":
		p.raw(rest)
		p.exit <- 3
		return true, ""
	case "exit":
		n, _ := strconv.Atoi(rest)
		p.exit <- n
		return true, ""
	case "long": // a line of so many bytes
		n, _ := strconv.Atoi(rest)
		p.raw(`{"jsonrpc":"2.0","method":"session/update","params":{"x":"`)
		for part := strings.Repeat("x", 1<<20); n > 0; n -= len(part) {
			p.raw(part)
		}
		p.raw("\"}}\n")
	case "flood": // so many updates of each sort
		n, _ := strconv.Atoi(rest)
		for i := range n {
			p.update(map[string]any{"sessionUpdate": "agent_message_chunk", "content": block("\x1b]0;title\x07flood ")})
			p.update(map[string]any{"sessionUpdate": "tool_call", "toolCallId": fmt.Sprint("flood-", i), "title": "a tool", "kind": "other", "status": "pending"})
		}
	}
	return false, ""
}

// run runs a command line of the worktree's shell as a tool.
func (p *program) run(command string, begin bool) {
	id := fmt.Sprintf("call-%d", p.asked)
	p.asked++
	if begin {
		p.update(map[string]any{"sessionUpdate": "tool_call", "toolCallId": id, "title": command, "kind": "execute", "status": "in_progress", "rawInput": map[string]any{"command": command}})
	}
	status := "completed"
	p.talk.Ran = append(p.talk.Ran, "ran "+command)
	p.keep()
	if _, err := run.Do(context.Background(), run.Cmd{Argv: []string{"sh", "-c", command}, Env: os.Environ(), Stderr: os.Stderr}); err != nil {
		status = "failed"
	}
	p.update(map[string]any{"sessionUpdate": "tool_call_update", "toolCallId": id, "status": status})
}

// ask asks for a permission and runs the command if it may. It returns "cancelled" if the turn is to end.
func (p *program) ask(command string) (why string) {
	id := fmt.Sprintf("call-%d", max(p.asked, 0))
	p.update(map[string]any{"sessionUpdate": "tool_call", "toolCallId": id, "title": command, "kind": "execute", "status": "pending", "rawInput": map[string]any{"command": command}})
	p.send(map[string]any{"jsonrpc": "2.0", "id": "ask-" + id, "method": "session/request_permission", "params": map[string]any{
		"sessionId": p.talk.ID, "toolCall": map[string]any{"toolCallId": id},
		"options": []any{
			map[string]any{"optionId": "ever", "name": "Always", "kind": "allow_always"},
			map[string]any{"optionId": "yes", "name": "Yes", "kind": "allow_once"},
			map[string]any{"optionId": "no", "name": "No", "kind": "reject_once"},
		},
	}})
	var out struct {
		Outcome struct {
			Outcome string `json:"outcome"`
			Option  string `json:"optionId"`
		} `json:"outcome"`
	}
	_ = json.Unmarshal((<-p.answers).Result, &out)
	switch {
	case out.Outcome.Outcome != "selected":
		return "cancelled"
	case out.Outcome.Option == "yes":
		p.run(command, false)
	default:
		p.update(map[string]any{"sessionUpdate": "tool_call_update", "toolCallId": id, "status": "failed"})
		p.asked = -1
	}
	return ""
}
