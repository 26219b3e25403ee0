package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/intake"
	"muster/internal/text"
	"muster/internal/words"
)

// binding is what a key does. The same table makes the help and the page in docs.
type binding struct {
	keys  []string
	help  string
	views []view // where it works; nil is everywhere
	do    func(*Model) []effect
}

// bindings returns the table of keys. Keys of the answer strip come before it while that is open.
func bindings() []binding {
	tasks := []view{fleetView, taskView}
	page := []view{taskView}
	return []binding{
		{[]string{"n"}, "answer the selected task if it asks, or the next that does", nil, (*Model).answer},
		{[]string{"N"}, "answer the one before it", nil, func(m *Model) []effect { return m.openStrip(m.list.next(m.current(), true)) }},
		{[]string{"j", "down"}, "down", nil, func(m *Model) []effect { return m.move(1) }},
		{[]string{"k", "up"}, "up", nil, func(m *Model) []effect { return m.move(-1) }},
		{[]string{"pgdown", "space"}, "a page down", nil, func(m *Model) []effect { return m.move(m.pageHeight()) }},
		{[]string{"pgup"}, "a page up", nil, func(m *Model) []effect { return m.move(-m.pageHeight()) }},
		{[]string{"g", "home"}, "to the beginning", nil, func(m *Model) []effect { return m.move(-1 << 30) }},
		{[]string{"G", "end"}, "to the end", nil, func(m *Model) []effect { return m.move(1 << 30) }},
		{[]string{"enter"}, "open the task; in a task: attach to its agent", nil, (*Model).enter},
		{[]string{"v"}, "attach without keys, only to look", tasks, func(m *Model) []effect { return m.attach(true) }},
		{[]string{"a"}, "attach to its agent", tasks, func(m *Model) []effect { return m.attach(false) }},
		{[]string{"tab"}, "the next tab of a task", page, func(m *Model) []effect { return m.openTab(m.task.tab%tabs + 1) }},
		{[]string{"shift+tab"}, "the tab before", page, func(m *Model) []effect { return m.openTab((m.task.tab+tabs-2)%tabs + 1) }},
		{[]string{"1", "2", "3", "4", "5", "6"}, "a tab: now, diff, checks, why, words, log", page, nil},
		{[]string{"]"}, "the next file, or round", page, func(m *Model) []effect { m.task.jump(m.task.marks, 1); return nil }},
		{[]string{"["}, "the file, or round, before", page, func(m *Model) []effect { m.task.jump(m.task.marks, -1); return nil }},
		{[]string{"}"}, "the next hunk of a diff", page, func(m *Model) []effect { m.task.jump(m.task.hunks, 1); return nil }},
		{[]string{"{"}, "the hunk before", page, func(m *Model) []effect { m.task.jump(m.task.hunks, -1); return nil }},
		{[]string{"<"}, "the diff or the log of the round before", page, func(m *Model) []effect { return m.openRound(-1) }},
		{[]string{">"}, "the round after it, up to the newest state", page, func(m *Model) []effect { return m.openRound(1) }},
		{[]string{"/"}, "filter by words; in a task: search", nil, (*Model).search},
		{[]string{"s"}, "send words to its agent", tasks, (*Model).sendWords},
		{[]string{"R"}, "retry a parked task, with fresh rounds", tasks, func(m *Model) []effect {
			return m.act("retry", func(t *control.Summary) control.Command { return control.Retry{Task: t.ID} })
		}},
		{[]string{"i"}, "interrupt its turn (press it twice)", tasks, func(m *Model) []effect {
			return m.twice("i", "interrupt", func(t *control.Summary) control.Command { return control.Interrupt{Task: t.ID} })
		}},
		{[]string{"x"}, "stop the task, its work stays (press it twice)", tasks, func(m *Model) []effect {
			return m.twice("x", "stop", func(t *control.Summary) control.Command { return control.Stop{Task: t.ID} })
		}},
		{[]string{"D"}, "remove what it left behind, unless work would be lost (press it twice)", tasks, func(m *Model) []effect {
			return m.twice("D", "rm", func(t *control.Summary) control.Command { return control.Remove{Task: t.ID} })
		}},
		{[]string{"b"}, "queue a new task from its branch", tasks, (*Model).branchOff},
		{[]string{"c"}, "queue a new task, written in your editor", nil, func(*Model) []effect { return []effect{edit{}} }},
		{[]string{"m"}, "mark the task as looked at", tasks, (*Model).mark},
		{[]string{"w"}, "why the task is in its state", tasks, func(m *Model) []effect { return m.openTask(whyTab) }},
		{[]string{"T"}, "the night", nil, (*Model).openNight},
		{[]string{"Y"}, "copy the command of the newest action", nil, (*Model).copyCommand},
		{[]string{"esc"}, "back", nil, (*Model).goBack},
		{[]string{"?"}, "keys", nil, func(m *Model) []effect { m.back, m.view, m.help = m.view, helpView, 0; return nil }},
		{[]string{"ctrl+l"}, "draw the screen again", nil, func(*Model) []effect { return []effect{redraw{}} }},
		{[]string{"ctrl+z"}, "suspend", nil, func(*Model) []effect { return []effect{suspend{}} }},
		{[]string{"q"}, "back, or quit", nil, (*Model).leave},
		{[]string{"ctrl+c"}, "quit", nil, func(*Model) []effect { return []effect{quit{}} }},
	}
}

// key handles a key press.
func (m *Model) key(k Key, now time.Time) []effect {
	if m.ask != nil {
		ask := m.ask
		out, over := ask.key(k)
		if over && m.ask == ask {
			m.ask = nil
		}
		return out
	}
	if c := m.confirm; c != nil {
		m.confirm = nil
		if k.Name == c.key && !now.After(c.until) {
			return c.do()
		}
		m.say("nothing was done")
		if k.Name == "esc" || k.Name == c.key {
			return nil
		}
	}
	if m.view == helpView && m.helpKey(k) {
		return nil
	}
	if m.strip != nil && m.view != helpView {
		if out, used := m.stripKey(k); used {
			return out
		}
	}
	for _, b := range bindings() {
		for _, name := range b.keys {
			if name != k.Name || !b.in(m.view) {
				continue
			}
			if b.do == nil { // a digit
				return m.openTab(tab(k.Name[0] - '0'))
			}
			return b.do(m)
		}
	}
	return nil
}

func (b binding) in(v view) bool {
	return b.views == nil || slices.Contains(b.views, v)
}

// helpKey handles the keys of the help that do not work as elsewhere.
func (m *Model) helpKey(k Key) bool {
	switch k.Name {
	case "j", "down":
		m.help++
	case "k", "up":
		m.help--
	case "pgdown", "space":
		m.help += m.height - 3
	case "pgup":
		m.help -= m.height - 3
	case "?", "esc", "q", "enter":
		m.view = m.back
	case "ctrl+c", "ctrl+l", "ctrl+z":
		return false
	}
	return true
}

// move moves the cursor, or scrolls.
func (m *Model) move(by int) []effect {
	switch m.view {
	case fleetView:
		m.list.move(by)
		return m.settle()
	case taskView:
		m.task.scroll(by)
	case nightView:
		m.night.scroll(by)
	case helpView:
	}
	return nil
}

// enter opens a task, or attaches to the one that is open.
func (m *Model) enter() []effect {
	switch m.view {
	case fleetView:
		return m.openTask(nowTab)
	case taskView:
		return m.attach(false)
	case nightView:
		if id := m.night.selected(); id != "" {
			m.list.show(id)
			return m.openTaskOf(id, whyTab)
		}
	case helpView:
	}
	return nil
}

// answer opens the strip for the selected task if it asks, otherwise for the one that a person should look at first.
func (m *Model) answer() []effect {
	if t := m.subject(); t != nil && words.Asks(t) {
		return m.openStrip(t)
	}
	return m.openStrip(m.list.next("", false))
}

func (m *Model) attach(readOnly bool) []effect {
	t := m.subject()
	if t == nil {
		return nil
	}
	m.command = "muster attach " + string(t.ID)
	if readOnly {
		m.command += " --read-only"
	}
	return []effect{attach{id: t.ID, readOnly: readOnly}}
}

// act carries out a command on the selected task.
func (m *Model) act(verb string, cmd func(*control.Summary) control.Command) []effect {
	t := m.subject()
	if t == nil {
		return nil
	}
	m.command = "muster " + verb + " " + string(t.ID)
	m.say("%s %s: asked for", verb, t.ID)
	return []effect{order{id: t.ID, cmd: cmd(t)}}
}

// twice asks for a second press of the key before it carries out a command on the task that is selected now.
func (m *Model) twice(key, verb string, cmd func(*control.Summary) control.Command) []effect {
	t := m.subject()
	if t == nil {
		return nil
	}
	line, o := "muster "+verb+" "+string(t.ID), order{id: t.ID, cmd: cmd(t)}
	m.confirm = &confirmation{
		key: key, until: m.now.Add(confirmFor), title: fmt.Sprintf("%s again: %s  (%s)", key, line, m.look.field(t.Name, 40)),
		do: func() []effect {
			m.command = line
			m.say("%s %s: asked for", verb, o.id)
			return []effect{o}
		},
	}
	return nil
}

func (m *Model) sendWords() []effect {
	t := m.subject()
	if t == nil {
		return nil
	}
	id := t.ID
	m.ask = &prompt{title: fmt.Sprintf("send to %s:", id), done: func(typed string) []effect {
		if strings.TrimSpace(typed) == "" {
			return nil
		}
		m.command = fmt.Sprintf("muster send %s %s", id, text.Quote(typed))
		m.say("send %s: asked for", id)
		return []effect{order{id: id, cmd: control.Send{Task: id, Text: typed}}}
	}}
	return nil
}

// branchOff asks for the prompt of a task that begins with the work of the selected one.
func (m *Model) branchOff() []effect {
	t := m.subject()
	switch {
	case t == nil:
		return nil
	case t.Branch == "":
		m.say("%s has not begun to work, so it has no branch", t.ID)
		return nil
	}
	id, repo := t.ID, t.Repo
	m.ask = &prompt{title: fmt.Sprintf("new task from the work of %s:", id), done: func(typed string) []effect {
		if strings.TrimSpace(typed) == "" {
			return nil
		}
		m.command = fmt.Sprintf("muster dispatch --repo %s --base @%s %s", text.Quote(repo), id, text.Quote(typed))
		m.say("dispatch: asked for")
		return []effect{dispatch{order: intake.Order{Prompt: typed, Options: intake.Options{Repo: repo, Base: "@" + string(id)}}}}
	}}
	return nil
}

// edited queues a task with what the person has written.
func (m *Model) edited(msg edited) []effect {
	switch {
	case msg.err != nil:
		m.say("%s", words.Problem(msg.err))
		return nil
	case strings.TrimSpace(msg.text) == "":
		m.say("nothing was written, so nothing is queued")
		return nil
	}
	m.command = "muster dispatch - <FILE"
	m.say("dispatch: asked for")
	return []effect{dispatch{order: intake.Order{Prompt: msg.text}, draft: msg.draft}}
}

func (m *Model) search() []effect {
	switch m.view {
	case fleetView:
		m.ask = &prompt{
			title: "filter:", text: []rune(m.list.filter), at: len([]rune(m.list.filter)),
			live: func(typed string) { m.list.filter = typed; m.list.arrange() },
			done: func(string) []effect { return m.settle() },
		}
	case taskView:
		m.ask = &prompt{title: "search:", text: []rune(m.task.find), at: len([]rune(m.task.find)), done: func(typed string) []effect {
			m.task.find = typed
			if !m.task.search(1) {
				m.say("%q is not on this page", typed)
			}
			return nil
		}}
	case nightView, helpView:
	}
	return nil
}

func (m *Model) mark() []effect {
	t := m.subject()
	if t == nil || t.ChangedAt == nil {
		return nil
	}
	id, changed := t.ID, *t.ChangedAt
	if m.list.seen == nil {
		m.list.seen = map[event.TaskID]time.Time{}
	}
	m.list.seen[id] = changed
	m.list.arrange()
	if m.view == fleetView {
		m.list.move(1)
	}
	return append([]effect{markSeen{id: id, changed: changed}}, m.settle()...)
}

func (m *Model) copyCommand() []effect {
	command := m.command
	if command == "" {
		if t := m.subject(); t != nil {
			command = "muster show " + string(t.ID)
		}
	}
	if command == "" {
		return nil
	}
	m.say("copied: %s", command)
	return []effect{copyText{command}}
}

func (m *Model) goBack() []effect {
	switch m.view {
	case taskView, nightView, helpView:
		m.view = fleetView
		return m.settle()
	case fleetView:
		if m.list.filter != "" {
			m.list.filter = ""
			m.list.arrange()
			return m.settle()
		}
	}
	return nil
}

func (m *Model) leave() []effect {
	if m.view == fleetView {
		return []effect{quit{}}
	}
	return m.goBack()
}

// helpLines returns the help.
func (m *Model) helpLines() []string {
	out := []string{" Keys", ""}
	for _, b := range bindings() {
		out = append(out, fmt.Sprintf("   %-14s %s", strings.Join(b.keys, " "), b.help))
	}
	out = append(
		out, "", " While a request is shown", "",
		"   1-9            choose an option",
		"   y              allow, once all of it was on the screen",
		"   d              deny",
		"   t              other words, or the reason of a denial",
		"   space j k      read on",
		"   enter v        attach, or look",
		"   n N            the next request, or the one before",
		"   esc q          leave it as it is",
		"", " Marks", "",
	)
	for _, g := range words.Groups() {
		out = append(out, "   "+g.Title()+": "+strings.Join(m.marks(g), "  "))
	}
	return out
}
