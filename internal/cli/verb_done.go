package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/inside"
)

const doneHelp = `Report that the task is done; the agent then ends its turn, and its checks decide.

  muster done
  muster done "all tests of package auth pass"`

func newDoneCommand(env Env) *cobra.Command {
	return newSayCommand(env, &cobra.Command{
		Use: "done [NOTE]", Short: "Report that the task is done", Long: doneHelp, Args: cobra.ArbitraryArgs,
	}, inside.Voice.Done, "Noted: done. End your turn now; the checks run then.")
}
