package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/life"
)

// Recurring is a file of tasks that is dispatched again and again.
type Recurring struct {
	Name   string
	Cron   string
	Zone   string // of the schedule; "" is the local one
	Missed string // life.MissedSkip, MissedOnce or MissedAll
	File   string // absolute
	Repo   string // absolute; "" if the tasks name theirs
}

// Schedule returns the schedule and its zone. Load has refused what is none.
func (r Recurring) Schedule() (life.Cron, *time.Location, error) {
	zone := time.Local
	if r.Zone != "" {
		var err error
		if zone, err = time.LoadLocation(r.Zone); err != nil {
			return life.Cron{}, nil, err
		}
	}
	c, err := life.ParseCron(r.Cron)
	return c, zone, err
}

// recurring returns the entry of that name; a new one is added at the end.
func (d *draft) recurring(name string) *Recurring {
	return entryOf(&d.Recurring, func(r Recurring) bool { return r.Name == name }, Recurring{Name: name, Missed: string(life.MissedOnce)})
}

// finishRecurring checks the schedules, and fills in the home directory.
func (d *draft) finishRecurring() (wrong []complaint) {
	for i := range d.Recurring {
		r := &d.Recurring[i]
		if c := r.check(); c != nil {
			c.where = d.place("recurring." + r.Name)
			wrong = append(wrong, *c)
			continue
		}
		for _, path := range []*string{&r.File, &r.Repo} {
			rest, below := strings.CutPrefix(*path, "~/")
			if !below {
				continue
			}
			home, err := os.UserHomeDir()
			if err != nil {
				wrong = append(wrong, complaint{where: d.place("recurring." + r.Name), what: fmt.Sprintf("%q begins with ~, and the home directory is not known: %v", *path, err), hint: "Write the whole path."})
				break
			}
			*path = filepath.Join(home, rest)
		}
	}
	return wrong
}

func (r Recurring) check() *complaint {
	of := fmt.Sprintf("recurring tasks `%s` ", r.Name)
	if r.Cron == "" {
		return &complaint{what: of + "have no `cron`", hint: `Give the five fields of cron, such as cron = "0 2 * * mon-fri".`}
	}
	if r.File == "" {
		return &complaint{what: of + "have no `file`", hint: `Name a file as for muster dispatch --file, such as file = "~/tasks/nightly.md".`}
	}
	if r.Zone != "" {
		if _, err := time.LoadLocation(r.Zone); err != nil || r.Zone == "Local" {
			return &complaint{what: of + fmt.Sprintf("have the zone %q, which is not known", r.Zone), hint: `Name one as in "Europe/Berlin", or leave it out for the local one.`}
		}
	}
	if _, err := life.ParseCron(r.Cron); err != nil {
		return &complaint{what: of + "have a `cron` that is none: " + err.Error(), hint: `Write minute, hour, day of the month, month and day of the week, such as "30 2 * * mon-fri".`}
	}
	return nil
}

// showRecurring lists the values of the recurring tasks, in their order.
func (c Config) showRecurring(d *draft) (rows []Row) {
	for _, r := range c.Recurring {
		for _, k := range keys() {
			key, ok := strings.CutPrefix(k.path, "recurring.NAME.")
			if !ok {
				continue
			}
			if field, isText := d.field(k, r.Name).(*string); isText && *field != "" {
				rows = append(rows, c.row("recurring."+r.Name+"."+key, k, field))
			}
		}
	}
	return rows
}
