package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"muster/internal/intake"

	"github.com/spf13/cobra"

	"muster/internal/config"
	"muster/internal/words"
)

const configHelp = `Look at the configuration: the user's config.toml, and muster.toml at the root of the checkout
around the working directory.

  muster config check           is it right? errors name line and column
  muster config show --origin   every value in force, and where it comes from
  muster config schema          JSON schema, for editors`

const configCheckHelp = `Say whether the configuration is right: every mistake with file, line and column, and exit code 2.

  muster config check
  muster config check --json`

const configShowHelp = `Show every value in force: those of the files, and the defaults of all that they leave out.

  muster config show --origin
  muster config show --json | jq -r '.[] | select(.key == "task.rounds").value'`

const configSchemaHelp = `Print the JSON schema of muster.toml and config.toml, for editors that complete and check them.

  muster config schema > ~/.config/muster.schema.json
  muster config schema | jq '.properties.task.properties | keys'`

func newConfigCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "config", Short: "Check and show the configuration", Long: configHelp,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}, groupSetup)
	c.AddCommand(newConfigCheckCommand(env), newConfigShowCommand(env), newConfigSchemaCommand(env))
	return c
}

// loadConfig loads the configuration of the working directory.
func loadConfig(ctx context.Context, env Env) (cfg config.Config, user, project string, err error) {
	_, user, err = env.home()
	if err != nil {
		return cfg, "", "", err
	}
	if root, err := intake.Root(ctx, env.Environ, env.Dir); err == nil {
		project = filepath.Join(root, config.ProjectFile)
	} else {
		project = filepath.Join(env.Dir, config.ProjectFile) // not in a repository: the file of this directory
	}
	cfg, err = config.Load(user, project)
	return cfg, user, project, err
}

// configured is what `config check --json` prints.
type configured struct {
	OK      bool   `json:"ok"`
	User    string `json:"user"`
	Project string `json:"project"`
	Checks  int    `json:"checks"`
	config  config.Config
}

func newConfigCheckCommand(env Env) *cobra.Command {
	c := &cobra.Command{Use: "check", Short: "Say whether the configuration is right", Long: configCheckHelp, Args: cobra.NoArgs}
	result[configured]{
		get: func(ctx context.Context, _ []string) (configured, error) {
			cfg, user, project, err := loadConfig(ctx, env)
			return configured{OK: true, User: user, Project: project, Checks: len(cfg.Checks), config: cfg}, err
		},
		show: func(r configured) error {
			return env.say(fmt.Sprintf("The configuration is right: %s, publish %s, agent %s.", words.Count(r.Checks, "check"), r.config.Task.Publish, r.config.Task.Agent))
		},
	}.addTo(env, c)
	return c
}

func newConfigShowCommand(env Env) *cobra.Command {
	var origin bool
	c := &cobra.Command{Use: "show", Short: "Show every value in force", Long: configShowHelp, Args: cobra.NoArgs}
	c.Flags().BoolVar(&origin, "origin", false, "also show where each value comes from")
	result[[]config.Row]{
		get: func(ctx context.Context, _ []string) ([]config.Row, error) {
			cfg, _, _, err := loadConfig(ctx, env)
			if err != nil {
				return nil, err
			}
			return cfg.Show(), nil
		},
		show: func(all []config.Row) error {
			head := []string{"KEY", "VALUE"}
			if origin {
				head = append(head, "FROM")
			}
			var rows [][]string
			for _, r := range all {
				row := []string{r.Key, clean(r.Value, 200)}
				if origin {
					row = append(row, r.Origin)
				}
				rows = append(rows, row)
			}
			return env.table(head, rows)
		},
	}.addTo(env, c)
	return c
}

func newConfigSchemaCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON schema of muster.toml and config.toml", Long: configSchemaHelp, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(env.Stdout, string(config.Schema()))
			return err
		},
	}
}
