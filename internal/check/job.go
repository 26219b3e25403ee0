package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fence"
	"muster/internal/regular"
	"muster/internal/spec"
	"muster/internal/text"
)

// Job is a round of checks, or the setup of a worktree: commands of the project that run one after the other under a
// process of muster, the runner, which writes the results to files. Its steps are told about none of these files. The
// file of a Job has mode 0600 like that of a Spec.
type Job struct {
	V    int          `json:"v"` // set by Write
	Task event.TaskID `json:"task"`
	Gen  int          `json:"gen"`
	Name string       `json:"name"` // for people
	Dir  string       `json:"dir"`  // where the steps run, absolute
	Env  []string     `json:"env"`  // the whole environment of the steps, except for environ.Mark, which is added
	// Lock is held by the runner alone and not by its steps. If it is free, the runner is dead, and the next one ends
	// the processes that its steps left behind. "" means no lock.
	Lock  string `json:"lock,omitempty"`
	Steps []Step `json:"steps"`
	// SlotPaths are lock files of which one is held while the steps run. Without any there is no limit.
	SlotPaths []string `json:"slot_paths,omitempty"`
	// Out is an absolute directory for this job alone. It gets <step>.log and <step>.step.json of each step, and the
	// result at the end.
	Out string `json:"out"`
	// Wake is a file that is written to when the result exists; "" for none.
	Wake string `json:"wake,omitempty"`
	// MaxLog is how many bytes of each step's output are kept: the first half while it runs, the last half at its
	// end. 0 is DefaultMaxLog.
	MaxLog int64 `json:"max_log,omitempty"`
	// Fence is what each step may use; nil restricts nothing. Shim is the command that becomes a fenced step if the path of
	// its spec follows. The runner itself stays outside, because no step may reach the results.
	Fence *fence.Policy `json:"fence,omitempty"`
	Shim  []string      `json:"shim,omitempty"`
}

// Step is one command of a job.
type Step struct {
	Name    string        `json:"name"`
	Run     string        `json:"run"`             // passed to sh -c
	Timeout time.Duration `json:"timeout"`         // 0 is DefaultStepTimeout
	Flaky   int           `json:"flaky,omitempty"` // how often a failed run is repeated
}

// Steps returns the steps that run checks.
func Steps(checks []event.Check) []Step {
	steps := make([]Step, len(checks))
	for i, c := range checks {
		steps[i] = Step{Name: c.Name, Run: c.Run, Timeout: c.Timeout, Flaky: c.Flaky}
	}
	return steps
}

// Defaults of Job and Step.
const (
	DefaultMaxLog      = 4 << 20
	DefaultStepTimeout = 30 * time.Minute
)

// StepResult is the result of one step. It is green if Exit is 0 and TimedOut is false.
type StepResult struct {
	Name      string    `json:"name"`
	Run       string    `json:"run"`
	Exit      int       `json:"exit"`             // exit status; -1 if ended by a signal
	Signal    int       `json:"signal,omitempty"` // 0 if it exited or timed out
	TimedOut  bool      `json:"timed_out,omitempty"`
	Started   time.Time `json:"started"`
	Ended     time.Time `json:"ended"`
	Log       string    `json:"log"`       // absolute path of the kept output
	LogBytes  int64     `json:"log_bytes"` // size of its whole output
	LogSum    string    `json:"log_sum"`   // SHA-256 of the kept output, in hexadecimal digits
	Truncated bool      `json:"truncated,omitempty"`
	Runs      int       `json:"runs,omitempty"` // more than 1 if failed runs were repeated; the rest is about the last one
}

// Green reports whether the step passed.
func (s StepResult) Green() bool { return s.Exit == 0 && !s.TimedOut }

// Result is the result of a job. It has all steps, including those after a red one.
type Result struct {
	V int `json:"v"`
	// Task, Job and Definition say which run this is the result of. They are empty for Do.
	Task       event.TaskID `json:"task,omitempty"`
	Job        string       `json:"job,omitempty"`
	Definition string       `json:"definition,omitempty"`
	Steps      []StepResult `json:"steps"`
	Started    time.Time    `json:"started"` // when it had its slot
	Ended      time.Time    `json:"ended"`
	// Error is the reason why not all steps could run. The result then says nothing about the work.
	Error string `json:"error,omitempty"`
	// Scarce reports whether the reason was a shortage of the machine.
	Scarce bool `json:"scarce,omitempty"`
}

// resultFile is the name of the result in Out. It cannot collide with the file of a step, which ends in .step.json.
const resultFile = "result.json"

// maxResult is the largest result file in bytes.
const maxResult = 4 << 20

// beganFile exists in Out once the job has its slot.
const beganFile = "began"

// maxStepName is the longest name of a step, in bytes.
const maxStepName = 64

// isStepName reports whether a step's name can be used as a file name. It uses no regular expression, because that
// would be compiled in every hook and launch.
func isStepName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
	return name != "" && len(name) <= maxStepName && strings.Trim(name, letters) == "" && name != "." && name != ".."
}

// Write writes a job's spec file. It rejects a job that cannot run.
func Write(path string, j Job) error {
	j.V = spec.Version
	if err := j.check(); err != nil {
		return err
	}
	return spec.Write(path, newJobFile(j), "job spec")
}

// readJob reads a job's spec file under the rules of Read.
func readJob(path string) (Job, error) {
	var f jobFile
	if err := spec.Read(path, spec.Job, &f); err != nil {
		return Job{}, err
	}
	j := f.job()
	return j, j.check()
}

// Began reports whether the job with this Out has its slot. Until then it waits and uses no resources.
func Began(outDir string) bool {
	_, err := os.Lstat(filepath.Join(outDir, beganFile))
	return err == nil
}

// Excerpt returns the useful part of a step's output, of at most limit bytes; "" if its log is gone. A log that is no
// longer what the runner wrote is not quoted.
func Excerpt(s StepResult, limit int) (string, error) {
	b, err := regular.Read(s.Log, 2*DefaultMaxLog)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, regular.ErrNotRegular), errors.Is(err, regular.ErrTooLarge):
		return changedLog, nil
	case err != nil:
		return "", fmt.Errorf("read the output of %s: %w", s.Name, err)
	}
	if digest(b) != s.LogSum {
		return changedLog, nil
	}
	return text.Excerpt(b, limit), nil
}

// changedLog stands for the output of a step whose log was changed.
const changedLog = "(its output was changed by another process after it was written)"

// ForgetResult removes the result of a job, so that it can be run again. A missing result is not an error.
func ForgetResult(outDir string) error {
	if err := os.RemoveAll(filepath.Join(outDir, resultFile)); err != nil { // it may be a directory that another process made
		return fmt.Errorf("forget job result: %w", err)
	}
	return nil
}

// jobFile is the form in which a Job is written, see specFile.
type jobFile struct {
	Kind spec.Kind `json:"kind"`
	Job
	Dir spec.Text   `json:"dir"`
	Env []spec.Text `json:"env"`
}

// job returns the job of the file.
func (f jobFile) job() Job {
	j := f.Job
	j.Dir, j.Env = string(f.Dir), spec.Strings(f.Env)
	return j
}

func newJobFile(j Job) jobFile {
	return jobFile{Kind: spec.Job, Job: j, Dir: spec.Text(j.Dir), Env: spec.Texts(j.Env)}
}

func (j Job) check() error {
	if !filepath.IsAbs(j.Dir) || !filepath.IsAbs(j.Out) {
		return fault.New(fault.Usage, "job %s of %s: directories are not absolute: %q, %q", j.Name, j.Task, j.Dir, j.Out)
	}
	seen := map[string]bool{}
	for _, s := range j.Steps {
		switch {
		case !isStepName(s.Name):
			return fault.New(fault.Usage, "check name %q: 1 to 64 letters, digits, or any of _ . -", s.Name)
		case seen[s.Name]:
			return fault.New(fault.Usage, "check %s is named twice", s.Name)
		case s.Run == "":
			return fault.New(fault.Usage, "check %s runs nothing", s.Name)
		}
		seen[s.Name] = true
	}
	return nil
}

func (j Job) logPath(step string) string { return filepath.Join(j.Out, step+".log") }

func (j Job) beganPath() string { return filepath.Join(j.Out, beganFile) }

func (j Job) stepPath(step string) string { return filepath.Join(j.Out, step+".step.json") }
