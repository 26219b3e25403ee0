package cli

import "github.com/spf13/cobra"

// verbs returns all verbs, in the order of the help.
func verbs(env Env) []*cobra.Command {
	return []*cobra.Command{
		newInitCommand(env), newUpCommand(env), newDownCommand(env), newUpgradeCommand(env), newDispatchCommand(env), newIntakeCommand(env),
		newLsCommand(env),
		newShowCommand(env), newStatusCommand(env), newAccountsCommand(env), newWaitCommand(env), newAttachCommand(env), newLogsCommand(env), newReplayCommand(env), newDiffCommand(env), newChecksCommand(env),
		newTopCommand(env), newWebCommand(env), newEventsCommand(env), newWhyCommand(env), newStatsCommand(env), newReportCommand(env), newPreflightCommand(env),
		newSendCommand(env), newAnswerCommand(env), newInterruptCommand(env),
		newStopCommand(env), newRetryCommand(env), newRmCommand(env), newGcCommand(env), newRestoreCommand(env),
		newCheckCommand(env), newDoneCommand(env), newNoteCommand(env), newAskCommand(env), newVerdictCommand(env),
		newDemoCommand(env), newConfigCommand(env), newSchemaCommand(env), newDoctorCommand(env), newFenceCommand(env), newServiceCommand(env), newNotifyCommand(env), newVersionCommand(env), newCompletionCommand(env), newManCommand(env),
		newKeepCommand(env), newSuperviseCommand(env), newTrialCommand(env),
	}
}
