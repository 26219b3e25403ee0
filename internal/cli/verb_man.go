package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/fault"
)

const manHelp = `Print the manual page of muster or of one of its verbs, or write all pages into a
directory, where man finds them.

  muster man dispatch | man -l -
  muster man --dir ~/.local/share/man/man1`

func newManCommand(env Env) *cobra.Command {
	var dir string
	c := verb(&cobra.Command{
		Use: "man [flags] [VERB...]", Short: "Print a manual page", Long: manHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				if len(args) > 0 {
					return fault.New(fault.Usage, "man: --dir writes all pages, and %q names one", strings.Join(args, " ")).
						WithHint("Leave out --dir or the verb.")
				}
				return writeManual(env, cmd.Root(), dir)
			}
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownVerb(cmd.Root(), strings.Join(args, " "))
			}
			_, err = fmt.Fprint(env.Stdout, manPage(target, boot.Version()))
			return err
		},
	}, groupSetup)
	c.Flags().StringVar(&dir, "dir", "", "write all pages into `DIR`, which is made if it is missing")
	return c
}

// writeManual writes the pages of all verbs that the help lists.
func writeManual(env Env, root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // everybody may read manual pages
		return fault.Wrap(fault.Failed, err, "make the directory of manual pages")
	}
	n := 0
	var each func(c *cobra.Command) error
	each = func(c *cobra.Command) error {
		if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), []byte(manPage(c, boot.Version())), 0o644); err != nil { //nolint:gosec // everybody may read them
			return fault.Wrap(fault.Failed, err, "write a manual page")
		}
		n++
		for _, sub := range listed(c) {
			if err := each(sub); err != nil {
				return err
			}
		}
		return nil
	}
	if err := each(root); err != nil {
		return err
	}
	return env.say(fmt.Sprintf("%d manual pages are in %s", n, dir))
}
