package cli

import "github.com/spf13/cobra"

// verbs lists every verb, in the order of the help.
func verbs(env Env) []*cobra.Command {
	return []*cobra.Command{
		newInitCommand(env), newUpCommand(env), newDownCommand(env), newDispatchCommand(env),
		newLsCommand(env),
		newConfigCommand(env), newSchemaCommand(env), newDoctorCommand(env), newVersionCommand(env), newCompletionCommand(env),
		newKeepCommand(env), newSuperviseCommand(env),
	}
}
