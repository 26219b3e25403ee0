package cli

import "github.com/spf13/cobra"

// verbs lists every verb, in the order of the help.
func verbs(env Env) []*cobra.Command {
	return []*cobra.Command{
		newUpCommand(env), newDownCommand(env), newDispatchCommand(env),
		newLsCommand(env),
		newKeepCommand(env), newSuperviseCommand(env),
	}
}
