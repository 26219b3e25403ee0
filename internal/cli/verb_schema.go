package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"muster/internal/status"
)

const schemaHelp = `Print the JSON schema of a status record: one line of the file that $MUSTER_STATUS_FILE names.
Any program may write it; the shortest valid record is {"state":"working"}.

  muster schema status
  echo '{"state":"working","note":"tests"}' >> "$MUSTER_STATUS_FILE"`

const schemaStatusHelp = `Print the JSON schema of a status record, for programs that write them.

  muster schema status > status-record.schema.json
  muster schema status | jq -r '.properties.state.enum[]'`

func newSchemaCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "schema", Short: "Print the JSON schema of status records", Long: schemaHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}, groupAgent)
	c.AddCommand(&cobra.Command{
		Use: "status", Short: "Print the JSON schema of a status record", Long: schemaStatusHelp, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.Stdout, string(status.Schema()))
			return err
		},
	})
	return c
}
