package gemini

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/event"
)

// The agent's names of tools.
const (
	shellTool    = "run_shell_command"
	writeTool    = "write_file"
	replaceTool  = "replace"
	fetchTool    = "web_fetch"
	questionTool = "ask_user"
)

// editTools change files.
var editTools = []string{writeTool, replaceTool}

// freeTools need no permission in any mode: those that the agent's own policy allows (version 0.61.0).
var freeTools = []string{
	"glob", "grep_search", "list_directory", "read_file", "google_web_search", "codebase_investigator", "cli_help", "get_internal_docs",
	"tracker_create_task", "tracker_update_task", "tracker_get_task", "tracker_list_tasks", "tracker_add_dependency", "tracker_visualize",
	"update_topic", "complete_task", "read_mcp_resource", "list_mcp_resources",
	"write_todos", "invoke_agent", // a list of its own; and a subagent, each of whose tools is asked about
	"list_background_processes", "read_background_output",
}

// harmless are the programs that the agent's own policy lets run, as far as they neither write nor start another program.
var harmless = []string{"cat", "cut", "echo", "expr", "false", "grep", "head", "id", "ls", "nl", "pwd", "seq", "stat", "tail", "true", "uname", "wc", "which", "whoami"}

// input is the part of a tool's input that is used here.
type input struct {
	Command   string `json:"command"`
	Path      string `json:"file_path"`
	Dir       string `json:"dir_path"`
	Questions []struct {
		Question string         `json:"question"`
		Header   string         `json:"header"`
		Options  []event.Option `json:"options"`
		Multi    bool           `json:"multiSelect"`
	} `json:"questions"`
}

// Use implements agent.Describer.
func (adapter) Use(tool string, raw []byte) event.ToolUse {
	if rest, ok := strings.CutPrefix(tool, "mcp_"); ok {
		// The agent separates the server from the tool by an underscore, which either may contain.
		server, name, _ := strings.Cut(rest, "_")
		return event.ToolUse{Class: event.ToolMCP, Names: []string{string(event.ToolMCP) + ":" + server + "/" + name}}
	}
	var in input
	_ = json.Unmarshal(raw, &in)
	switch {
	case tool == shellTool:
		return event.ToolUse{Class: event.ToolRun, Command: in.Command}
	case slices.Contains(editTools, tool):
		return event.ToolUse{Class: event.ToolEdit, Paths: paths(in.Path)}
	case tool == "read_file":
		return event.ToolUse{Class: event.ToolRead, Paths: paths(in.Path)}
	case slices.Contains([]string{"glob", "grep_search", "list_directory"}, tool):
		return event.ToolUse{Class: event.ToolRead, Paths: paths(cmp.Or(in.Dir, "."))} // a search without a path is in the working directory
	case tool == fetchTool, tool == "google_web_search":
		return event.ToolUse{Class: event.ToolFetch}
	case tool == questionTool:
		return event.ToolUse{Class: event.ToolQuestion}
	}
	return event.ToolUse{Class: event.ToolOther}
}

func paths(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// needsLeave reports whether a use of a tool needs a permission in a mode. The agent itself asks nobody, see Plan.
func (s *hookState) needsLeave() bool {
	var in input
	_ = json.Unmarshal(s.in.ToolInput, &in)
	edit := slices.Contains(editTools, s.in.ToolName)
	inside := edit && in.Path != "" && !filepath.IsAbs(agent.Describe(adapter{}, s.in.ToolName, s.in.ToolInput, s.Worktree).Paths[0])
	switch mode := s.mode(); {
	case mode == modeYOLO, slices.Contains(freeTools, s.in.ToolName):
		return false
	case mode == modeAutoEdit && (inside || s.in.ToolName == fetchTool):
		return false
	case s.in.ToolName == shellTool:
		return !s.isHarmless(in.Command)
	}
	return true
}

// isHarmless reports whether a command needs no permission: muster's own verbs for agents, the project's own checks, and programs
// that only print, without a redirection.
func (s *hookState) isHarmless(command string) bool {
	if s.NeedsNoDecision(command) {
		return true
	}
	words := strings.Fields(command)
	return agent.IsSimple(command) && len(words) > 0 && slices.Contains(harmless, words[0])
}
