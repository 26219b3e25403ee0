package fence

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"muster/internal/testkit/proc"
)

// order is what a process of these tests does.
type order struct {
	Policy *Policy // nil: no fence
	Argv   []string
	Env    []string
	World  world
}

func TestMain(m *testing.M) {
	proc.Main(m, map[string]func(string) int{
		"fenced": func(file string) int {
			o := read(file)
			err := o.enter()
			fmt.Println(err)
			if os.WriteFile(o.World.Outside+"/after", nil, 0o600) == nil {
				fmt.Println("and the process is free")
			}
			return 1
		},
		"probe": func(file string) int {
			if err := json.NewEncoder(os.Stdout).Encode(read(file).World.tryAll()); err != nil {
				return 1
			}
			return 0
		},
	})
}

func read(file string) (o order) {
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		panic(err)
	}
	return o
}

// enter becomes the program of the order.
func (o order) enter() error {
	if o.Policy == nil {
		return unix.Exec(o.Argv[0], o.Argv, o.Env)
	}
	f, err := Prepare(*o.Policy)
	if err != nil {
		return err
	}
	return f.Exec(o.Argv[0], o.Argv, o.Env)
}
