package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/inside"
)

const noteHelp = `Report progress in a few words; people read it in ` + "`muster ls`" + `.

  muster note "reading the failing test"
  muster note "3 of 7 packages ported"`

func newNoteCommand(env Env) *cobra.Command {
	return newSayCommand(env, &cobra.Command{
		Use: "note TEXT", Short: "Report progress", Long: noteHelp, Args: cobra.MinimumNArgs(1),
	}, inside.Voice.Note, "")
}
