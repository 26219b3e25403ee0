package status

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"muster/internal/event"
)

// TestMain lets the test binary act as the processes that write status files.
func TestMain(m *testing.M) {
	switch role := os.Getenv("STATUS_TEST_ROLE"); role {
	case "":
		goleak.VerifyTestMain(m)
	case "append":
		appendMany(os.Getenv("STATUS_TEST_FILE"), os.Getenv("STATUS_TEST_ID"), os.Getenv("STATUS_TEST_COUNT"))
	case "full":
		appendToFull(os.Getenv("STATUS_TEST_FILE"), os.Getenv("STATUS_TEST_COUNT"))
	case "idle":
		idle(os.Getenv("STATUS_TEST_FILE"))
	default:
		fmt.Fprintln(os.Stderr, "unknown role", role)
		os.Exit(2)
	}
}

func appendMany(path, id, count string) {
	n, _ := strconv.Atoi(count)
	for i := range n {
		r := event.Record{State: event.RecordWorking, Note: id + "." + strconv.Itoa(i), Transcript: strings.Repeat("x", 3000*(i%3))}
		if err := Append(path, r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// appendToFull appends while only room bytes fit, as on a full disk.
func appendToFull(path, room string) {
	n, _ := strconv.ParseUint(room, 10, 64)
	st, err := os.Stat(path)
	if err != nil {
		os.Exit(3)
	}
	max := uint64(st.Size()) + n
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: max, Max: max}); err != nil {
		os.Exit(4)
	}
	if err := Append(path, event.Record{State: event.RecordIdle, Note: "does not fit"}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// role returns a command that runs this test binary in a role.
func role(t testing.TB, name, path, id string, count int) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STATUS_TEST_ROLE="+name, "STATUS_TEST_FILE="+path, "STATUS_TEST_ID="+id,
		"STATUS_TEST_COUNT="+strconv.Itoa(count))
	return cmd
}

// linesOf reads all lines of a status file. It returns the number of records by note, and the lines
// that are not records.
func linesOf(t *testing.T, path string) (notes map[string]int, bad []string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	notes = map[string]int{}
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		r, err := Parse(line)
		if err != nil {
			bad = append(bad, string(line))
			continue
		}
		notes[r.Note]++
	}
	return notes, bad
}

func TestAppendFillsInAndIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t1.1.jsonl")
	before := time.Now().Add(-time.Second)
	if err := Append(path, event.Record{State: event.RecordWorking, Note: "a\nb", Options: []string{"<&>"}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(data, []byte{'\n'}) != 1 || !bytes.Contains(data, []byte("<&>")) {
		t.Errorf("file is %q, want one line with the option as it was", data)
	}
	r, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if r.V != 1 || r.Time.Before(before) || r.Note != "a b" {
		t.Errorf("record is %+v", r)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, want 0600", st.Mode().Perm())
	}
	if err := Append(path, event.Record{State: "happy"}); err == nil {
		t.Error("an unknown state was appended")
	}
	if err := Append(filepath.Join(t.TempDir(), "no", "such"), event.Record{State: "idle"}); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("append in a missing directory: %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestAppendRefusesWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	link, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, "/dev/null", dir} {
		if err := Append(path, event.Record{State: event.RecordIdle}); err == nil {
			t.Errorf("appended to %s", path)
		}
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("the symbolic link was followed")
	}
}

func TestFiftyProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t1.1.jsonl")
	const processes, each = 50, 40
	var wg sync.WaitGroup
	for p := range processes {
		wg.Go(func() {
			if out, err := role(t, "append", path, strconv.Itoa(p), each).CombinedOutput(); err != nil {
				t.Errorf("writer %d: %v: %s", p, err, out)
			}
		})
	}
	wg.Wait()
	notes, bad := linesOf(t, path)
	if len(bad) > 0 {
		t.Errorf("%d lines are no records, the first: %.200q", len(bad), bad[0])
	}
	for p := range processes {
		for i := range each {
			if n := notes[fmt.Sprintf("%d.%d", p, i)]; n != 1 {
				t.Fatalf("record %d.%d stands there %d times", p, i, n)
			}
		}
	}
}

func TestKilledWritersHurtNoOtherRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t1.1.jsonl")
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			cmd := role(t, "append", path, "victim"+strconv.Itoa(p), 1<<30)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			for size := int64(0); size < int64(p+1)<<14; { // each process runs for a different while before it is killed
				if st, err := os.Stat(path); err == nil {
					size = st.Size()
				}
				time.Sleep(time.Millisecond)
			}
			cmd.Process.Kill() //nolint:errcheck // Wait reports it
			cmd.Wait()         //nolint:errcheck // killed
		})
	}
	const each = 200
	if out, err := role(t, "append", path, "survivor", each).CombinedOutput(); err != nil {
		t.Fatalf("survivor: %v: %s", err, out)
	}
	wg.Wait()
	notes, bad := linesOf(t, path)
	if len(bad) > 8 {
		t.Errorf("%d bad lines, one for each killed writer is the most", len(bad))
	}
	for i := range each {
		if notes["survivor."+strconv.Itoa(i)] != 1 {
			t.Fatalf("record %d of the survivor was lost", i)
		}
	}
}

func TestAppendHealsATornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t1.1.jsonl")
	if err := os.WriteFile(path, []byte(`{"state":"working","note":"first"}`+"\n"+`{"state":"wor`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(path, event.Record{State: event.RecordIdle, Note: "after"}); err != nil {
		t.Fatal(err)
	}
	notes, bad := linesOf(t, path)
	if notes["first"] != 1 || notes["after"] != 1 || len(bad) != 1 {
		t.Errorf("records %v, bad %q", notes, bad)
	}
}

func TestAFullDiskIsToldAndHealed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t1.1.jsonl")
	if err := Append(path, event.Record{State: event.RecordWorking, Note: "before"}); err != nil {
		t.Fatal(err)
	}
	out, err := role(t, "full", path, "", 10).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "append status record") {
		t.Fatalf("the short write was not told: %v %s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if data[len(data)-1] == '\n' {
		t.Fatal("the write was not short; the test shows nothing")
	}
	if err := Append(path, event.Record{State: event.RecordIdle, Note: "after"}); err != nil {
		t.Fatal(err)
	}
	notes, bad := linesOf(t, path)
	if notes["before"] != 1 || notes["after"] != 1 || len(bad) != 1 {
		t.Errorf("records %v, bad %q", notes, bad)
	}
}
