package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Forge is a program of the user that stands for a forge.
type Forge struct {
	Name    string
	Host    string // as in the URL of a remote
	Command []string
}

// ForgeOf returns the program that stands for the forge at a host; nil if none does.
func (c Config) ForgeOf(host string) []string {
	for _, f := range c.Forges {
		if strings.EqualFold(f.Host, host) {
			return f.Command
		}
	}
	return nil
}

// forge returns the entry of that name; a new one is added at the end.
func (d *draft) forge(name string) *Forge {
	return entryOf(&d.Forges, func(f Forge) bool { return f.Name == name }, Forge{Name: name})
}

// finishForges checks the programs that stand for forges.
func (d *draft) finishForges() (wrong []complaint) {
	hosts := map[string]string{}
	for _, f := range d.Forges {
		of := fmt.Sprintf("forge `%s` ", f.Name)
		host := strings.ToLower(f.Host)
		c := complaint{where: d.place("forges." + f.Name)}
		switch {
		case f.Host == "" || strings.ContainsAny(f.Host, "/:@ "):
			c.what, c.hint = of+"has no `host`", `Give the one in the URL of the remote, such as host = "gitlab.example.com".`
		case len(f.Command) == 0:
			c.what, c.hint = of+"has no `command`", `Give one, such as command = ["/home/me/bin/gitlab-forge"].`
		case hosts[host] != "":
			c.what, c.hint = of+fmt.Sprintf("has the `host` of forge `%s`", hosts[host]), "Remove one of them."
		default:
			hosts[host] = f.Name
			continue
		}
		wrong = append(wrong, c)
	}
	return wrong
}

// showForges lists the values of the forges, in their order.
func (c Config) showForges(d *draft) (rows []Row) {
	for _, f := range c.Forges {
		for _, k := range keys() {
			if key, ok := strings.CutPrefix(k.path, "forges.NAME."); ok {
				if field := d.field(k, f.Name); !reflect.ValueOf(field).Elem().IsZero() {
					rows = append(rows, c.row("forges."+f.Name+"."+key, k, field))
				}
			}
		}
	}
	return rows
}
