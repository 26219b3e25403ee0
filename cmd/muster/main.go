// Command muster sees a fleet of coding agents through the night. See README.md.
package main

import (
	"os"

	"muster/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:])) }
