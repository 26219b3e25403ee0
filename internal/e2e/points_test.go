package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// planFile is where the harness writes at which points supervisors have to die. In pointsFile the supervisors record,
// across restarts, each point that they pass and each death.
func planFile(home string) string   { return filepath.Join(home, "test-die") }
func pointsFile(home string) string { return filepath.Join(home, "test-points") }

// noted is the first word of the line of a death. The index of its place in the plan follows.
const noted = "DIED "

// place is where a supervisor has to die. Places of a plan are separated by commas. NAME:N is the N-th time that any
// supervisor of the fleet passes the point. +N is the N-th point of any name that the supervisor after the previous
// death passes. A suffix ~DURATION delays the death by that time, into the middle of the work that follows.
type place struct {
	name  string
	n     int
	later time.Duration
}

func (p place) String() string {
	text := fmt.Sprintf("%s:%d", p.name, p.n)
	if p.name == "" {
		text = fmt.Sprintf("+%d", p.n)
	}
	if p.later > 0 {
		text += "~" + p.later.String()
	}
	return text
}

// planOf parses a plan; "none" has no places.
func planOf(text string) (plan []place, err error) {
	text = strings.TrimSpace(text)
	if text == "none" || text == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		var p place
		word, later, ok := strings.Cut(word, "~")
		if ok {
			if p.later, err = time.ParseDuration(later); err != nil {
				return nil, fmt.Errorf("plan %q: %w", text, err)
			}
		}
		number, follows := strings.CutPrefix(word, "+")
		if !follows {
			at := strings.LastIndexByte(word, ':')
			if at < 0 {
				return nil, fmt.Errorf("plan %q: %q has no number", text, word)
			}
			p.name, number = word[:at], word[at+1:]
		}
		if p.n, err = strconv.Atoi(number); err != nil || p.n < 1 {
			return nil, fmt.Errorf("plan %q: %q is no number", text, number)
		}
		plan = append(plan, p)
	}
	return plan, nil
}

func planText(plan []place) string {
	if len(plan) == 0 {
		return "none"
	}
	words := make([]string, len(plan))
	for i, p := range plan {
		words[i] = p.String()
	}
	return strings.Join(words, ",")
}

// walked is the content of pointsFile: all points in order, and which places of the plan were deaths.
type walked struct {
	points []string
	died   map[int]bool
}

func readWalked(home string) walked {
	w := walked{died: map[int]bool{}}
	data, _ := os.ReadFile(pointsFile(home))
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if number, ok := strings.CutPrefix(line, noted); ok {
			i, _ := strconv.Atoi(number)
			w.died[i] = true
			continue
		}
		w.points = append(w.points, line)
	}
	return w
}

// mortal counts the points of a supervisor and kills it where the plan says.
type mortal struct {
	mu     sync.Mutex
	plan   []place
	died   map[int]bool
	counts map[string]int
	here   int // number of points that this process has passed
	log    *os.File
}

// dying returns the failpoint function of a fleet with a plan, or nil if there is no plan.
func dying(home string) func(string) {
	text, err := os.ReadFile(planFile(home))
	if err != nil {
		return nil
	}
	w := readWalked(home)
	m := &mortal{died: w.died, counts: map[string]int{}}
	for _, name := range w.points {
		m.counts[name]++
	}
	if m.plan, err = planOf(string(text)); err != nil {
		panic(err)
	}
	if m.log, err = os.OpenFile(pointsFile(home), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		panic(err)
	}
	return m.point
}

func (m *mortal) point(name string) {
	m.mu.Lock() // several workers execute steps
	defer m.mu.Unlock()
	m.counts[name]++
	m.here++
	m.note(name)
	for i, p := range m.plan {
		switch {
		case m.died[i]:
		case p.name == name && p.n == m.counts[name], p.name == "" && i > 0 && m.died[i-1] && p.n == m.here:
			m.die(i, p.later)
		}
	}
}

// die kills this process as the kernel's OOM killer would, now or in the middle of the work that follows.
func (m *mortal) die(i int, later time.Duration) {
	kill := func() {
		m.note(noted + strconv.Itoa(i))
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	if later == 0 {
		kill()
	}
	time.AfterFunc(later, kill)
}

func (m *mortal) note(line string) {
	if _, err := m.log.WriteString(line + "\n"); err != nil {
		panic(err)
	}
}

// forgivingClock makes a keeper take each run of a supervisor for a healthy one, so that many deaths in a row cause no
// delays.
type forgivingClock struct{}

var aeons = time.Now()

// Now implements keeper.Clock. A millisecond counts as a minute.
func (forgivingClock) Now() time.Time { return aeons.Add(time.Since(aeons) * 60_000) }

// Timer implements keeper.Clock. It does not change delays.
func (forgivingClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
