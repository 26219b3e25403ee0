package cli

import (
	"fmt"
	"runtime"

	"muster/internal/boot"

	"github.com/spf13/cobra"
)

const versionHelp = `Print the version of this program.

  muster version
  muster version --json`

func newVersionCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "version", Short: "Print the version", Long: versionHelp, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return printJSON(env.Stdout, map[string]string{
					"version": boot.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintf(env.Stdout, "muster %s (%s, %s/%s)\n", boot.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}, groupSetup)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
