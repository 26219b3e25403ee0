package tmux

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/replace"
)

// confBase is the configuration of every server. Each line was tried with tmux 3.2a to 3.7c; -q ignores options that
// a release lacks. There is no global window-size: up to 3.6 it ends the server at the next session.
const confBase = `# Written by muster at each start; put your own lines into the file that its configuration names.
set -s exit-empty off
set -s exit-unattached off
set -s escape-time 10
set -s set-clipboard off
set -s focus-events off
set -s buffer-limit 20
set -g default-shell /bin/sh
set -g update-environment ''
set -g history-limit 2000
set -g destroy-unattached off
set -g detach-on-destroy on
set -g mouse off
set -wg remain-on-exit on
set -wqg remain-on-exit-format ''
set -wg automatic-rename off
set -wg allow-rename off
set -wqg allow-set-title off
set -wqg allow-passthrough off
set -wg monitor-activity off
set -wg monitor-bell off
set -g status on
set -g status-interval 0
set -g status-style 'bg=colour236,fg=colour252'
set -g status-left-length 60
set -g status-left ' #{session_name}  '
set -g status-right-length 50
set -g status-right ' agent goes on when you leave: #{prefix} d '
`

// confLast follows the user's lines and sets the options that the fleet needs.
const confLast = `set -s exit-empty off
set -s exit-unattached off
set -g update-environment ''
set -g destroy-unattached off
set -g detach-on-destroy on
set -wgu window-size
set -wg remain-on-exit on
set -wg automatic-rename off
`

// config returns the text of the configuration, and its hash. The last line sets the hash, which proves that it was
// read.
func (s *Server) config(hub string) (text, proof string) {
	var b strings.Builder
	b.WriteString(confBase)
	fmt.Fprintf(&b, "set -g default-terminal %s\n", terminal())
	fmt.Fprintf(&b, "set -g default-size %dx%d\n", s.cfg.Columns, s.cfg.Rows)
	if s.cfg.UserConf != "" {
		fmt.Fprintf(&b, "source-file -q %s\n", quote(globLiteral(s.cfg.UserConf)))
		b.WriteString(confLast)
	}
	fmt.Fprintf(&b, "set -g @m_hub %s\n", quote(hub))
	sum := sha256.Sum256([]byte(b.String()))
	proof = hex.EncodeToString(sum[:8])
	fmt.Fprintf(&b, "set -g @m_conf %s\n", proof)
	return b.String(), proof
}

// writeConfig writes the configuration for a starting server. With concurrent writers one complete file remains.
func (s *Server) writeConfig(text string) error {
	if err := os.MkdirAll(filepath.Dir(s.cfg.ConfPath), 0o700); err != nil {
		return fmt.Errorf("write tmux configuration: %w", err)
	}
	if err := replace.File(s.cfg.ConfPath, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write tmux configuration: %w", err)
	}
	return nil
}

// globLiteral escapes the pattern characters that source-file expands in a path.
func globLiteral(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// terminal returns the TERM of agents: tmux's own entry if this machine has it.
func terminal() string {
	const own = "tmux-256color"
	for _, dir := range []string{"/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo", "/usr/local/share/terminfo", "/usr/share/lib/terminfo"} {
		for _, sub := range []string{"t", "74"} { // 74 is 't' on file systems that ignore case
			if _, err := os.Stat(filepath.Join(dir, sub, own)); err == nil {
				return own
			}
		}
	}
	return "screen-256color"
}
