package sim

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"muster/internal/environ"
	"muster/internal/home"
)

// options are the arguments and variables of the program.
type options struct {
	promptFile   string
	prompt       string
	conversation string
	resume       bool
	stateDir     string // directory of the transcripts
	script       string // path of a file with the script; "" is a block in the prompt

	task       string
	gen        int
	statusFile string   // "" writes no records
	home       home.Dir // the state directory; "" takes answers only from the keyboard
	worktree   string   // absolute
	log        string   // file for begin and end lines; "" is none
}

// parse reads arguments and environment. It changes nothing.
func parse(args []string, getenv func(string) string) (options, error) {
	o := options{
		promptFile: getenv(environ.PromptFile), script: getenv("MUSTER_SIM_SCRIPT"), task: getenv(environ.Task),
		statusFile: getenv(environ.StatusFile), worktree: getenv(environ.Worktree), log: getenv("MUSTER_SIM_LOG"),
	}
	o.gen, _ = strconv.Atoi(getenv(environ.Gen)) // absent outside muster: 0
	f := flag.NewFlagSet("sim", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.promptFile, "prompt-file", o.promptFile, "")
	f.StringVar(&o.conversation, "conversation", "none", "")
	f.BoolVar(&o.resume, "resume", false, "")
	f.StringVar(&o.stateDir, "state", "", "")
	f.StringVar(&o.script, "script", o.script, "")
	if err := f.Parse(args); err != nil {
		return options{}, fmt.Errorf("sim: %w", err)
	}
	if f.NArg() > 0 {
		o.prompt, o.promptFile = strings.Join(f.Args(), " "), ""
	}
	if o.conversation == "" || strings.ContainsAny(o.conversation, "/ \n") || o.conversation[0] == '.' {
		return options{}, fmt.Errorf("sim: bad conversation %q", o.conversation)
	}
	if o.worktree == "" {
		wd, err := os.Getwd()
		if err != nil {
			return options{}, fmt.Errorf("sim: working directory: %w", err)
		}
		o.worktree = wd
	}
	if o.task == "" {
		o.task = "t0"
	}
	if strings.ContainsAny(o.task, "/\n ") {
		return options{}, errors.New("sim: bad MUSTER_TASK")
	}
	if h := getenv(environ.Home); h != "" && o.gen > 0 {
		o.home = home.Dir(h)
	}
	return o, nil
}

// transcript returns the path of the conversation's transcript; "" keeps none.
func (o options) transcript() string {
	if o.stateDir == "" {
		return ""
	}
	return TranscriptPath(o.stateDir, o.conversation)
}

// firstPrompt returns the prompt of the start; "" is none, and the program waits for input.
func (o options) firstPrompt() (string, error) {
	if o.promptFile == "" {
		return o.prompt, nil
	}
	data, err := os.ReadFile(o.promptFile)
	if err != nil {
		return "", fmt.Errorf("sim: read prompt: %w", err)
	}
	return string(data), nil
}

// givenScript returns the script of the given file; "" if none was given.
func (o options) givenScript() (string, error) {
	if o.script == "" {
		return "", nil
	}
	data, err := os.ReadFile(o.script)
	if err != nil {
		return "", fmt.Errorf("sim: read script: %w", err)
	}
	return string(data), nil
}
