package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/fault"
)

const completionHelp = `Print the completion script of a shell.

  source <(muster completion bash)
  muster completion zsh > "${fpath[1]}/_muster"
  muster completion fish > ~/.config/fish/completions/muster.fish`

func newCompletionCommand(env Env) *cobra.Command {
	return verb(&cobra.Command{
		Use: "completion bash|zsh|fish", Short: "Print a completion script", Long: completionHelp,
		Args: cobra.ExactArgs(1), ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(env.Stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(env.Stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(env.Stdout, true)
			}
			return fault.New(fault.Usage, "no completion for %q", args[0]).WithHint("Use one of: bash, zsh, fish.")
		},
	}, groupSetup)
}
