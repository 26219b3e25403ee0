// Command muster sees a fleet of coding agents through the night. See README.md.
package main

import (
	"os"
	_ "time/tzdata" // the ends of usage limits name time zones, and not every machine has them

	"muster/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
