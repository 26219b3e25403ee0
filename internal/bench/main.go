package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
)

// bench is one run with everything that its measurements share.
type bench struct {
	dir   string // private, removed at the end
	bin   string // the static program, as it is shipped
	empty string // a Go program that does nothing, built in the same run
	quick bool
}

// result is the result of one measurement.
type result struct {
	measured, floor string
	ratio           float64 // measured to floor; 0 if there is no floor
	met             bool
	notes           []string
}

// measurement is one row of the table.
type measurement struct {
	name, figure, target string
	run                  func(context.Context, *bench) (result, error)
}

func measurements() []measurement {
	return []measurement{
		{"hook", "`muster hook`, one tool call, best of 50", "≤ 6 ms and ≤ 4 × floor", measureHook},
		{"fhook", "`muster hook` in the fence, best of 15 times 50", "≤ 1 ms more than without a fence", measureFencedHook},
		{"ls", "`muster ls --json`, 1,000 tasks, best of 50", "≤ 20 ms", measureLs},
		{"start", "queue to agent process, 50 tasks", "≤ 1.2 × floor", measureStart},
		{"fenced", "queue to fenced agent process, 50 tasks", "≤ 1.05 × without a fence", measureFencedStart},
		{"check", "round of one check in the fence, 30 tasks, median", "≤ 3 ms more than without a fence", measureFencedCheck},
		{"idle", "supervising 100 idle agents, 60 s", "≤ 0.06 s of CPU, no process", measureIdle},
		{"fidle", "supervising 100 idle fenced agents, 60 s", "≤ 0.06 s of CPU, no process", measureFencedIdle},
		{"status", "status line to stored state, p99", "≤ 3 × floor", measureStatus},
		{"death", "death to recorded exit status, p99", "≤ 3 × floor", measureDeath},
		{"adopt", "supervisor start, 200 agents adopted", "≤ 500 ms", measureAdopt},
		{"revive", "tmux server killed under 50 agents: all resumed", "none lost, none twice; time per agent reported", measureRevive},
		{"upgrade", "`muster upgrade` under 100 agents: nobody supervises", "< 300 ms", measureUpgrade},
		{"tasks", "2,000 `sim` tasks over 50 slots", "none lost or doubled, memory flat", measureTasks},
		{"queue", "100,000 tasks queued: dispatch, turn, memory", "≤ 15 s, ≤ 1.3 × the turn with 100, verbs ≤ 30 ms, adopted ≤ 1 s, ≤ 150 MB", measureQueue},
		{"page", "page of `muster web` with 1,000 tasks, best of 100", "≤ 50 ms", measurePage},
		{"row", "status line to the row of a page, p99 of 200", "≤ 150 ms", measureRow},
		{"frame", "start of `muster top` to its list of 1,000 tasks, best of 20", "≤ 150 ms", measureFrame},
		{"blurred", "`muster top` without the focus, 60 s", "≤ 0.5 % of a core", measureBlurred},
		{"watching", "`muster top` with the screen of an idle agent, 60 s", "≤ 1 % of a core", measureWatching},
		{"size", "size of the static binary", "< 25 MB", measureSize},
	}
}

func main() {
	if role, ok := os.LookupEnv(roleVariable); ok {
		exit(playRole(role))
	}
	quick := flag.Bool("quick", false, "fewer samples and tasks, shorter waits")
	only := flag.String("run", "", "only rows whose name matches this regular expression")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		exit(fmt.Errorf("-run: %w", err))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = measureAll(ctx, pattern, *quick)
	stop()
	exit(err)
}

// exit ends the program, with status 1 if there is an error.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// measureAll makes the selected measurements one by one and prints the table.
func measureAll(ctx context.Context, pattern *regexp.Regexp, quick bool) (err error) {
	dir, err := os.MkdirTemp("", "mb")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{dir: dir, quick: quick}
	if err := b.build(ctx); err != nil {
		return err
	}
	var rows [][]string
	var notes []string
	var failed error
	for _, m := range measurements() {
		if !pattern.MatchString(m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measure %s …\n", m.name)
		r, err := m.run(ctx, b)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
			rows = append(rows, []string{m.figure, "–", "–", "–", m.target, "error"})
			continue
		}
		rows = append(rows, m.row(r))
		for _, n := range r.notes {
			notes = append(notes, m.name+": "+n)
		}
	}
	printTable(rows)
	fmt.Printf("\n%s/%s, %d cores, %s. Repeat a row: go run ./internal/bench -run '^NAME$'\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, n := range notes {
		fmt.Println("  " + n)
	}
	return failed
}

func (m measurement) row(r result) []string {
	ratio, verdict := "–", "missed"
	if r.ratio > 0 {
		ratio = fmt.Sprintf("%.2f", r.ratio)
	}
	if r.met {
		verdict = "met"
	}
	floor := r.floor
	if floor == "" {
		floor = "–"
	}
	return []string{m.figure, r.measured, floor, ratio, m.target, verdict}
}

// printTable prints a table in Markdown with aligned columns.
func printTable(rows [][]string) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	line := func(cells []string) { _, _ = fmt.Fprintln(w, "| "+strings.Join(cells, "\t| ")+"\t|") }
	line([]string{"figure", "measured", "floor", "ratio", "target", "verdict"})
	line([]string{"---", "---", "---", "---", "---", "---"})
	for _, r := range rows {
		line(r)
	}
	_ = w.Flush()
}

// build builds the program as it is shipped, and the empty one.
func (b *bench) build(ctx context.Context) error {
	mod, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "muster").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	root := strings.TrimSpace(string(mod))
	b.bin, b.empty = filepath.Join(b.dir, "muster"), filepath.Join(b.dir, "empty")
	source := filepath.Join(b.dir, "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	for out, pkg := range map[string]string{b.bin: "./cmd/muster", b.empty: source} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, pkg)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

// pick returns the full number, or the smaller one for a quick run.
func (b *bench) pick(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

func measureSize(_ context.Context, b *bench) (result, error) {
	st, err := os.Stat(b.bin)
	if err != nil {
		return result{}, err
	}
	return result{measured: fmt.Sprintf("%.1f MB", float64(st.Size())/1e6), met: st.Size() < 25e6}, nil
}
