package codex

import "path/filepath"

// Credential implements agent.Credentialer.
func (adapter) Credential(env []string) string { return filepath.Join(configDir(env), "auth.json") }
