package claude

import "path/filepath"

// Credential implements agent.Credentialer. On macOS the login is in the keychain, and there is no file.
func (adapter) Credential(env []string) string {
	return filepath.Join(configDir(env), ".credentials.json")
}
