package cli

import (
	"context"
	"fmt"
	"runtime"

	"muster/internal/boot"

	"github.com/spf13/cobra"
)

const versionHelp = `Print the version of this program.

  muster version
  muster version --json`

func newVersionCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "version", Short: "Print the version", Long: versionHelp, Args: cobra.NoArgs,
	}, groupSetup)
	result[map[string]string]{
		get: func(context.Context, []string) (map[string]string, error) {
			return map[string]string{"version": boot.Version(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}, nil
		},
		show: func(v map[string]string) error {
			return env.say(fmt.Sprintf("muster %s (%s, %s/%s)", v["version"], v["go"], v["os"], v["arch"]))
		},
	}.addTo(env, c)
	return c
}
