package opencode

import (
	_ "embed" // the plugin
	"net/url"
	"path/filepath"

	"muster/internal/agent"
)

// Files in home.Gen.RO.
const (
	pluginName   = "plugin.js"
	launchName   = "launch.json"
	preambleName = "preamble.md"
	configName   = "opencode.json"
)

// The variables that add a layer to the agent's configuration. The first wins over all files of the project.
const (
	contentVariable = "OPENCODE_CONFIG_CONTENT"
	fileVariable    = "OPENCODE_CONFIG"
)

//go:embed plugin.js
var plugin []byte

// launchFile is what the plugin reads.
type launchFile struct {
	Exe          string `json:"exe"`
	RW           string `json:"rw"`      // home.Gen.RW
	Journal      string `json:"journal"` // name of the file there
	Conversation string `json:"conversation"`
	Session      string `json:"session"` // the agent's id of the conversation to resume; "" for a new one
	Frame        string `json:"frame"`   // the beginning of the task's prompt
	// Parts are the prompt of a resumed conversation: the words to go on, and messages, of which it may have some already.
	Parts []string `json:"parts,omitempty"`
}

// layer is muster's layer of the configuration. Lists of plugins and instructions are added to those of other layers.
type layer struct {
	AutoUpdate   bool     `json:"autoupdate"`
	Share        string   `json:"share"`
	Plugin       []string `json:"plugin"`
	Instructions []string `json:"instructions"`
	Shell        string   `json:"shell,omitempty"` // the program that runs the model's commands
}

// encodeConfig returns muster's layer of the configuration as JSON.
func encodeConfig(l agent.Launch, p project) ([]byte, error) {
	at := url.URL{Scheme: "file", Path: filepath.Join(l.Dirs().RO(), pluginName)}
	ours := layer{Share: "disabled", Plugin: []string{at.String()}, Instructions: []string{filepath.Join(l.Dirs().RO(), preambleName)}}
	if s := shell(l); s != nil {
		ours.Shell = filepath.Join(l.Dirs().RO(), s.Path)
	}
	return p.under(ours, l)
}
