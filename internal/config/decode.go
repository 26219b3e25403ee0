package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
)

// scope is the owner of a file. Some tables are allowed in only one of the files.
type scope int

const (
	userScope scope = iota
	projectScope
)

// draft is a configuration while its layers are read.
type draft struct {
	Config
	keys    []key
	agents  map[string]*Agent
	prices  map[string]*event.Price // by pattern
	reviews map[string]*Review      // by the name of the check
	setBy   map[string]string       // path of a value to its position, file:line:col, for complaints found later
	rules   []draftRule
	earlier int // how many of the rules are of the layers before
}

// draftRule is a rule of [[permission]] and where it is.
type draftRule struct {
	event.PermissionRule
	scope scope
	at    string // file:line:col
}

func newDraft(c Config) *draft {
	d := &draft{Config: c, keys: keys(), agents: map[string]*Agent{}, prices: map[string]*event.Price{}, reviews: map[string]*Review{}, setBy: map[string]string{}}
	d.Origin = maps.Clone(c.Origin)
	if d.Origin == nil {
		d.Origin = map[string]string{}
	}
	d.Checks, d.Accounts, d.Notify.Channels, d.Recurring = slices.Clone(c.Checks), slices.Clone(c.Accounts), slices.Clone(c.Notify.Channels), slices.Clone(c.Recurring)
	d.Forges = slices.Clone(c.Forges)
	for i, a := range d.Accounts {
		d.Accounts[i].Env, d.Accounts[i].EnvFrom = maps.Clone(a.Env), maps.Clone(a.EnvFrom)
	}
	for _, r := range c.Reviews {
		d.reviews[r.Name] = &r
	}
	for _, r := range c.Permission {
		d.rules = append(d.rules, draftRule{PermissionRule: r})
	}
	for _, p := range c.Prices {
		d.prices[p.Model] = &p
	}
	for name, a := range c.Agents {
		a.Env, a.Described = maps.Clone(a.Env), maps.Clone(a.Described)
		d.agents[name] = &a
	}
	return d
}

// check returns the check of that name; a new one is added at the end.
func (d *draft) check(name string) *event.Check {
	return entryOf(&d.Checks, func(c event.Check) bool { return c.Name == name }, event.Check{Name: name, Timeout: defaultCheckTimeout})
}

// entryOf returns an entry of a list in the order of a file. If there is none, fresh is added at the end.
func entryOf[T any](list *[]T, is func(T) bool, fresh T) *T {
	i := slices.IndexFunc(*list, is)
	if i < 0 {
		i = len(*list)
		*list = append(*list, fresh)
	}
	return &(*list)[i]
}

// rule returns the rule with this number in the layer that is read. Its table was touched before.
func (d *draft) rule(number string) *event.PermissionRule {
	n, _ := strconv.Atoi(number)
	return &d.rules[d.earlier+n].PermissionRule
}

func (d *draft) agent(name string) *Agent {
	a := d.agents[name]
	if a == nil {
		a = &Agent{Name: name}
		d.agents[name] = a
	}
	if a.Env == nil {
		a.Env = map[string]string{}
	}
	return a
}

// account returns the account of that name; a new one is added at the end.
func (d *draft) account(name string) *Account {
	return entryOf(&d.Accounts, func(a Account) bool { return a.Name == name }, Account{
		Name: name, Env: map[string]string{}, EnvFrom: map[string]string{}, Spread: DefaultSpread, PreferBelow: DefaultPreferBelow,
		Budget: event.SharedBudget{Soft: defaultShare},
	})
}

// config returns the finished configuration.
func (d *draft) config() Config {
	c := d.Config
	c.Agents = map[string]Agent{}
	for name, a := range d.agents {
		c.Agents[name] = *a
	}
	c.Prices = d.sortedPrices()
	return c
}

// complaint is one error in a file.
type complaint struct {
	where, what, hint string
	last              bool // the rest of the file is not read
}

// mostNamed bounds the number of checks, of agents and of accounts.
const mostNamed = 100

// maxComplaints bounds how many complaints an error lists.
const maxComplaints = 10

// asError joins complaints to one fault.Usage, one per line; it returns nil if there are none.
func asError(all []complaint) error {
	if len(all) == 0 {
		return nil
	}
	var msg []string
	hint := ""
	for i, c := range all {
		if i == maxComplaints {
			msg = append(msg, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		msg = append(msg, c.where+": "+c.what)
		if hint == "" {
			hint = c.hint
		}
	}
	if hint == "" {
		hint = "Every key is described in docs/reference/config.md; `muster config show` prints what is in force."
	}
	return fault.New(fault.Usage, "%s", strings.Join(msg, "\n")).WithHint("%s", hint)
}

// lay reads one file over the draft. Its error holds every complaint about the file.
func (d *draft) lay(file string, s scope, data []byte) error {
	entries, err := scan(file, data)
	if err != nil {
		return err
	}
	d.earlier = len(d.rules)
	var wrong []complaint
	var refused []string // paths already complained about; keys below them are skipped
	for _, e := range entries {
		dotted := strings.Join(e.path, "\x00")
		if slices.ContainsFunc(refused, func(r string) bool { return strings.HasPrefix(dotted+"\x00", r) }) {
			continue
		}
		if c := d.entry(file, s, e); c != nil {
			c.where = e.at.in(file)
			wrong = append(wrong, *c)
			refused = append(refused, dotted+"\x00")
			if c.last || len(wrong) > 2*maxComplaints {
				break
			}
		}
	}
	return asError(wrong)
}

// entry sets one value, or returns what is wrong with it.
func (d *draft) entry(file string, s scope, e entry) *complaint {
	table := e.path[0]
	if table == "budget" && len(e.path) > 1 && e.path[1] == "night" {
		table = "budget.night"
	}
	if c := misplaced(s, table); c != nil {
		return c
	}
	if len(e.path) == 1 && slices.Contains(lists, e.path[0]) {
		return &complaint{
			what: fmt.Sprintf("%s is a list of tables", e.path[0]),
			hint: fmt.Sprintf("Write [[%s]] in double brackets for each, and its keys below it.", e.path[0]),
		}
	}
	if name, ok := ofRecipe(e.path); ok {
		return d.described(file, name, e)
	}
	k, isTable := d.find(e.path)
	dotted := strings.Join(e.path, ".")
	switch {
	case k == nil && !isTable:
		return unknown(e)
	case e.array:
		return &complaint{
			what: fmt.Sprintf("%s is one table, not an array of tables", dotted),
			hint: fmt.Sprintf("Write [%s] with single brackets.", dotted),
		}
	case e.table && !isTable:
		return &complaint{what: fmt.Sprintf("%s must be %s, not a table", dotted, k.wants())}
	case !e.table && k == nil:
		return &complaint{
			what: fmt.Sprintf("%s must be a table, not %s", dotted, typeName(e.value)),
			hint: fmt.Sprintf("Write [%s] on a line of its own, and its keys below it.", dotted),
		}
	}
	name, err := entryName(e.path)
	if err != nil {
		return asComplaint(err)
	}
	if len(d.Accounts) > mostNamed {
		return &complaint{what: fmt.Sprintf("more than %d accounts", mostNamed), last: true, hint: "Remove those that no agent uses."}
	}
	if len(d.Checks) > mostNamed || len(d.agents) > mostNamed || len(d.rules) > mostNamed {
		return &complaint{
			what: fmt.Sprintf("more than %d checks, agents or rules", mostNamed), last: true,
			hint: "One check may be a script that does many things, and a pattern may match many commands.",
		}
	}
	if len(d.Recurring) > mostNamed {
		return &complaint{what: fmt.Sprintf("more than %d schedules", mostNamed), last: true, hint: "A file may hold many tasks."}
	}
	if len(d.Forges) > mostNamed {
		return &complaint{what: fmt.Sprintf("more than %d forges", mostNamed), last: true, hint: "Remove those that no repository has a remote at."}
	}
	if len(d.Notify.Channels) > mostNamed {
		return &complaint{what: fmt.Sprintf("more than %d channels", mostNamed), last: true, hint: "A program of kind command may tell many people."}
	}
	if len(d.prices) > mostNamed {
		return &complaint{what: fmt.Sprintf("more than %d prices", mostNamed), last: true, hint: "A pattern such as \"gpt-5*\" may match many models."}
	}
	at := e.at.in(file)
	d.setBy[dotted] = at
	if e.table {
		d.touch(s, e.path, at)
		return nil
	}
	set, changed := k.set, true
	if s == projectScope && e.path[0] == "fence" {
		set = func(field any, e entry) (err error) {
			changed, err = k.narrow(field, e)
			return err
		}
	}
	if err := set(d.field(*k, name), e); err != nil {
		c := asComplaint(err)
		c.what = dotted + " " + c.what
		return c
	}
	if !changed {
		return nil
	}
	switch {
	case k.path == "checks.NAME":
		dotted += ".run"
	case e.path[0] == "permission": // each rule has its own origin
		return nil
	}
	d.Origin[dotted] = fmt.Sprintf("%s:%d", file, e.at.line)
	return nil
}

// touch creates the check, agent, account or rule of a table, even an empty one, so that finish can complain about it.
func (d *draft) touch(s scope, path []string, at string) {
	if len(path) < 2 {
		return
	}
	switch path[0] {
	case "checks":
		d.check(path[1])
	case "agents":
		d.agent(path[1])
	case "prices":
		d.price(path[1])
	case "accounts":
		d.account(path[1])
	case "notify":
		d.channel(path[1])
	case "recurring":
		d.recurring(path[1])
	case "forges":
		d.forge(path[1])
	case "permission":
		origin := at[:strings.LastIndexByte(at, ':')] // without the column
		d.rules = append(d.rules, draftRule{PermissionRule: event.PermissionRule{Origin: origin}, scope: s, at: at})
	}
}

func asComplaint(err error) *complaint {
	c := &complaint{what: err.Error()}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		c.what, c.hint = f.Message, f.Hint
	}
	return c
}

// usersOwn are the tables that a project may not have, with the reason.
var usersOwn = map[string]string{
	"fleet":        "it concerns the machine",
	"budget.night": "it is about all tasks of the fleet",
	"accounts":     "they are yours and not the project's",
	"forges":       "the program runs with your login, and not the project's",
	"recurring":    "an agent must not start others",
	"notify":       "it is about you and not the project",
}

// misplaced returns a complaint about a table that is in the wrong file; nil if it may be there.
func misplaced(s scope, table string) *complaint {
	why, own := usersOwn[table]
	switch {
	case s == projectScope && own:
		return &complaint{
			what: "[" + table + "] does not belong in a project's " + ProjectFile,
			hint: "Put [" + table + "] into your own ~/.config/muster/" + UserFile + " ($MUSTER_HOME/" + UserFile + " if that is set): " + why + ".",
		}
	case s == userScope && table == "checks":
		return &complaint{
			what: "[checks] does not belong in the user's " + UserFile,
			hint: "Put [checks] into the " + ProjectFile + " at the root of the project: they come from there alone.",
		}
	}
	return nil
}

// find returns the key of a path, or nil, and whether the path may be a table; checks.NAME may be both.
func (d *draft) find(path []string) (k *key, isTable bool) {
	for i := range d.keys {
		row := &d.keys[i]
		parts := strings.Split(row.path, ".")
		if len(path) > len(parts) || !matches(path, parts) {
			continue
		}
		if len(path) < len(parts) {
			isTable = true
		} else if k == nil {
			k = row
		}
	}
	return k, isTable
}

// matches reports whether path matches the beginning of pattern.
func matches(path, pattern []string) bool {
	for i, p := range path {
		if pattern[i] != p && pattern[i] != "NAME" && pattern[i] != "VAR" && pattern[i] != "N" {
			return false
		}
	}
	return true
}

// entryName returns the NAME of a path, validated, or "" if the path has none.
func entryName(path []string) (string, error) {
	if len(path) >= 2 && path[0] == "prices" {
		if !validPattern(path[1]) {
			return "", fault.New(fault.Usage, "bad name %q below [prices]", path[1]).WithHint("%s", patternRule)
		}
		return path[1], nil
	}
	if len(path) < 2 || !slices.Contains([]string{"checks", "agents", "accounts", "permission", "notify", "recurring", "forges"}, path[0]) {
		return "", nil
	}
	name := path[1]
	if !validName(name) {
		return "", fault.New(fault.Usage, "bad name %q below [%s]", name, path[0]).
			WithHint("%s", nameRule)
	}
	return name, nil
}

const nameRule = "A name is 1 to 64 of the characters A-Z a-z 0-9 _ . - and does not begin with a dash."

// validName reports whether s is safe as a file name and as a word of a command line.
func validName(s string) bool {
	if s == "" || len(s) > 64 || s == "." || s == ".." || s[0] == '-' {
		return false
	}
	for _, r := range s {
		if !isWord(r) && r != '.' && r != '-' {
			return false
		}
	}
	return true
}

func isWord(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
