package acp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

const (
	// maxTools bounds the tools of a turn that are remembered.
	maxTools = 256
	// maxReplay bounds what is kept of a replayed conversation, in bytes.
	maxReplay = 64 << 20
	// mostTold is how many refusals are told one after another before the turn counts as over.
	mostTold = 3
)

// begin opens the connection.
func (p *program) begin() {
	p.call(methodInitialize, map[string]any{
		"protocolVersion": protocolVersion, "clientInfo": map[string]any{"name": "muster", "version": "1"},
		"clientCapabilities": map[string]any{"fs": map[string]any{"readTextFile": false, "writeTextFile": false}, "terminal": false},
	})
}

// call calls a method whose answer is handled by answered.
func (p *program) call(method string, params any) string {
	id, err := p.agent.call(method, params)
	if err != nil {
		p.fail(err.Error())
		return ""
	}
	p.waits[id] = method
	return id
}

// hear handles one line of the agent.
func (p *program) hear(m said) {
	switch {
	case m.long:
		p.screen.line("!", fmt.Sprintf("a line of more than %d MiB of the agent is left out", maxLine>>20))
	case m.other != nil:
		p.screen.line("!", text.Line(string(m.other), maxOther))
	case m.Method == methodUpdate:
		p.updated(m.Params)
	case m.Method == methodPermission && len(m.ID) > 0:
		p.request(m.ID, m.Params)
	case m.Method != "" && len(m.ID) > 0:
		p.agent.refuse(m.message)
	case m.Method != "": // a notification that this side does not know
	default:
		p.answered(m.message)
	}
}

// answered handles the answer to a call.
func (p *program) answered(m message) {
	id := string(m.ID)
	method, ok := p.waits[id]
	if !ok {
		return
	}
	delete(p.waits, id)
	switch method {
	case methodInitialize:
		p.initialized(m)
	case methodNew, methodLoad, methodResume:
		p.opened(method, m)
	case methodOption:
		p.chosen(m)
	case methodPrompt:
		if p.turn != nil && p.turn.call == id {
			p.over(m)
		}
	}
}

// initialized opens a conversation, or the one that is to be taken up.
func (p *program) initialized(m message) {
	var in initialized
	if m.Error == nil {
		_ = json.Unmarshal(m.Result, &in)
	}
	switch {
	case m.Error != nil:
		p.stuck(m.Error, "the agent refuses to begin")
		return
	case in.Version != protocolVersion:
		p.fail(fmt.Sprintf("the agent speaks version %d of the protocol, and muster version %d", in.Version, protocolVersion))
		return
	}
	p.screen.line("#", text.Line(strings.TrimSpace(in.Info.Name+" "+in.Info.Version), nameLimit))
	p.takesUp = in.takesUp()
	where := map[string]any{"cwd": p.launch.Worktree, "mcpServers": []any{}}
	if p.launch.Session == "" || p.takesUp == "" {
		p.fresh()
		p.call(methodNew, where)
		return
	}
	where["sessionId"] = p.launch.Session
	p.replay = &replay{}
	p.call(p.takesUp, where)
}

// fresh makes a launch that should take up a conversation one that begins a new one.
func (p *program) fresh() {
	if p.launch.Session == "" {
		return
	}
	p.screen.line("#", "the agent does not have the conversation any more: a new one begins with the prompt")
	p.launch.Session, p.launch.Parts = "", []string{p.launch.Fresh}
}

// stuck reports an error before there is a conversation.
func (p *program) stuck(e *callError, what string) {
	p.write(event.Record{State: event.RecordError, Error: e.kind(), Note: text.Line(what+": "+e.Error(), noteLimit)})
	p.fail(what + ": " + e.Error())
}

// opened begins with the first prompt.
func (p *program) opened(method string, m message) {
	if m.Error != nil {
		if p.launch.Session != "" && m.Error.kind() != event.ErrorAuth {
			p.replay = nil
			p.fresh()
			p.call(methodNew, map[string]any{"cwd": p.launch.Worktree, "mcpServers": []any{}})
			return
		}
		p.stuck(m.Error, "the agent opens no conversation")
		return
	}
	var in opened
	_ = json.Unmarshal(m.Result, &in)
	session := p.launch.Session
	if method == methodNew {
		session = in.Session
	}
	if session == "" || text.Field(session, nameLimit) != session || strings.HasPrefix(session, "-") {
		p.fail("the agent's id of the conversation is empty or not usable")
		return
	}
	p.session = session
	p.note(agent.Entry{Type: entrySession, Text: p.takesUp})
	var option string
	if option, p.model = in.model(); p.launch.Model != "" && p.model != p.launch.Model {
		if option == "" {
			p.stuck(&callError{Code: codeInvalidParams, Message: "it offers no choice"}, "the agent cannot use the model "+text.Line(p.launch.Model, nameLimit))
			return
		}
		p.session = "" // until the model is chosen
		p.launch.Session = session
		p.call(methodOption, map[string]any{"sessionId": session, "configId": option, "value": p.launch.Model})
		return
	}
	p.first()
}

// chosen goes on after the choice of a model.
func (p *program) chosen(m message) {
	if m.Error != nil {
		p.stuck(m.Error, "the agent cannot use the model "+text.Line(p.launch.Model, nameLimit))
		return
	}
	p.session, p.model = p.launch.Session, p.launch.Model
	p.first()
}

// first reports that the agent is ready, and gives it its prompt without the parts that the conversation has already.
func (p *program) first() {
	parts := p.launch.Parts
	if p.replay != nil {
		had := p.replay.tags()
		for _, id := range had {
			p.note(agent.Entry{Type: "user", Text: id.Tag()})
		}
		parts = slices.DeleteFunc(slices.Clone(parts), func(part string) bool {
			tags := agent.Tags(part)
			return len(tags) > 0 && !slices.ContainsFunc(tags, func(id event.MessageID) bool { return !slices.Contains(had, id) })
		})
	}
	p.replay = nil
	p.write(event.Record{State: event.RecordWorking, Note: "started"})
	p.prompt(context.Background(), strings.Join(parts, "\n\n"))
}

// tags returns the messages that a replayed conversation has. Where a chunk ends is not where a line ends.
func (r *replay) tags() []event.MessageID {
	out := agent.Tags(strings.Join(r.chunks, ""))
	for _, c := range r.chunks {
		out = append(out, agent.Tags(c)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// prompt begins a turn.
func (p *program) prompt(ctx context.Context, words string) {
	t := &turn{text: words}
	t.ctx, t.cancel = context.WithCancel(ctx)
	p.turn = t
	p.turns++
	clear(p.tools)
	clear(p.began)
	p.screen.line(">", text.Cut(words, maxOther))
	t.call = p.call(methodPrompt, map[string]any{"sessionId": p.session, "prompt": []block{{Type: "text", Text: words}}})
	p.pulsed = time.Now()
}

// taken reports that the prompt of the turn is part of the conversation: the agent has begun to answer it.
func (p *program) taken() {
	if p.turn == nil || p.turn.taken {
		return
	}
	p.turn.taken = true
	p.note(agent.Entry{Type: "user", Text: p.turn.text})
	agent.Prompted(agent.Tags(p.turn.text), event.Record{}, p.goesOn)
}

// updated handles what the agent says about a turn.
func (p *program) updated(params json.RawMessage) {
	var u update
	_ = json.Unmarshal(params, &u) // what is missing is empty
	if u.Update.Kind == "usage_update" && u.Update.Cost.Currency == "USD" && (u.Session == p.session || p.replay != nil) {
		p.cost = u.Update.Cost.Amount
		if p.replay != nil {
			p.counted = p.cost
		}
	}
	if p.replay != nil {
		p.replay.keep(u)
		return
	}
	if u.Session != p.session || p.turn == nil {
		return
	}
	switch u.Update.Kind {
	case "agent_message_chunk":
		p.goneOn()
		p.screen.chunk("<", contentOf(u.Update.Content))
	case "agent_thought_chunk":
		p.taken()
		p.screen.chunk("~", contentOf(u.Update.Content))
	case "tool_call":
		p.goneOn()
		p.tool(u.Update.toolCall)
	case "tool_call_update":
		p.taken()
		p.tool(u.Update.toolCall)
	case "plan":
		p.taken()
	}
	if p.turn.taken && time.Since(p.pulsed) > pulse {
		p.goesOn(event.Record{State: event.RecordWorking})
	}
}

// goneOn notes that the agent works on, also after a refusal.
func (p *program) goneOn() {
	p.taken()
	p.turn.refused = nil
}

// keep keeps the words of the user in a replayed conversation.
func (r *replay) keep(u update) {
	if u.Update.Kind != "user_message_chunk" {
		if n := len(r.chunks); n > 0 && r.chunks[n-1] != "\n" {
			r.chunks = append(r.chunks, "\n")
		}
		return
	}
	if words := contentOf(u.Update.Content); r.size+len(words) <= maxReplay {
		r.chunks, r.size = append(r.chunks, words), r.size+len(words)
	}
}

// contentOf returns the text of a block.
func contentOf(raw json.RawMessage) string {
	var b block
	_ = json.Unmarshal(raw, &b)
	return b.Text
}

// tool reports the begin and the end of a tool.
func (p *program) tool(part toolCall) {
	id := text.Field(part.ID, nameLimit)
	old, known := p.tools[id]
	if id == "" || !known && len(p.tools) >= maxTools {
		return
	}
	c := old.over(part)
	p.tools[id] = c
	if !p.began[id] {
		p.began[id] = true
		p.screen.line("*", text.Line(c.tool()+": "+c.Title, noteLimit))
		p.goesOn(event.Record{State: event.RecordWorking, Tool: c.tool(), ToolUseID: id})
	}
	if c.Status != old.Status && (c.Status == "completed" || c.Status == "failed") {
		if c.Status == "failed" {
			p.screen.line("*", text.Line(c.tool()+" failed: "+c.Title, noteLimit))
		}
		p.goesOn(event.Record{State: event.RecordWorking, ToolUseID: id})
	}
}

// over handles the end of a turn.
func (p *program) over(m message) {
	t := p.turn
	if m.Error == nil || !m.Error.refused() {
		p.taken()
	}
	t.cancel()
	p.Asked().CloseAll()
	p.turn = nil
	p.screen.end()
	var in turnEnd
	if m.Error == nil {
		_ = json.Unmarshal(m.Result, &in)
		p.used(in)
	}
	switch {
	case t.cancelled:
		p.write(event.Record{State: event.RecordIdle, Interrupted: true, Note: "the turn was interrupted"})
	case m.Error != nil:
		p.screen.line("!", m.Error.Error())
		p.write(event.Record{State: event.RecordError, Error: m.Error.kind(), Note: text.Line(m.Error.Error(), noteLimit)})
	case len(t.refused) > 0 && p.told < mostTold:
		// Some agents end their turn at a refusal, and none is told the reason by the protocol.
		p.told++
		p.prompt(context.Background(), "muster: "+strings.Join(slices.Compact(t.refused), "\n")+"\nGo on with the task another way.")
	case in.Reason == stopRefusal:
		p.write(event.Record{State: event.RecordError, Error: event.ErrorOther, Note: "the model refuses to go on"})
	case in.Reason == stopCancelled:
		p.write(event.Record{State: event.RecordIdle, Interrupted: true, Note: "the agent cancelled its turn"})
	case in.Reason != stopEnd && in.Reason != "":
		p.write(event.Record{State: event.RecordIdle, Note: text.Line("the turn ended by "+in.Reason, noteLimit)})
	default:
		// What waits goes on in the same breath: an idle agent would be judged.
		if _, some := p.collect(context.Background()); !some {
			p.write(event.Record{State: event.RecordIdle})
		}
	}
}

// used writes down what a turn used.
func (p *program) used(in turnEnd) {
	e := agent.Entry{Type: "assistant", ID: fmt.Sprintf("%d.%d", p.Gen, p.turns), Model: p.model, Cost: max(0, p.cost-p.counted)}
	p.counted = max(p.counted, p.cost)
	e.Tokens.Input, e.Tokens.Output, e.Tokens.Reasoning = in.Usage.Input, in.Usage.Output, in.Usage.Thought
	e.Tokens.Cache.Read, e.Tokens.Cache.Write = in.Usage.CacheRead, in.Usage.CacheWrite
	if quota := in.Meta.Quota; in.Usage == (tokens{}) {
		e.Tokens.Input, e.Tokens.Output = quota.Count.Input, quota.Count.Output
		if len(quota.Models) > 0 {
			e.Model = quota.Models[0].Model
		}
	}
	if e.Tokens.Input+e.Tokens.Output > 0 || e.Cost > 0 {
		p.note(e)
	}
}
