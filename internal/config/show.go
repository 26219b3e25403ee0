package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Row is one effective value, for `muster config show`.
type Row struct {
	Key    string `json:"key"`    // dotted path
	Value  string `json:"value"`  // as TOML writes it
	Origin string `json:"origin"` // file:line, or "default"
}

// Show lists every effective value, in the order of the reference. Values of agents that were not set are left out.
func (c Config) Show() []Row {
	d := newDraft(c)
	var rows []Row
	for _, k := range keys() {
		parts := strings.Split(k.path, ".")
		switch _, described := ofRecipe(parts); {
		case described:
			// the description of each agent is listed below
		case !k.open():
			rows = append(rows, c.row(k.path, k, d.field(k, "")))
		case k.path == "checks.NAME":
			// the short form of checks.NAME.run
		case strings.HasPrefix(k.path, "checks."):
			// each check is listed below, in the order in which they run
		case strings.HasPrefix(k.path, "permission."):
			// each rule is listed below, in the order in which they are looked at
		case strings.HasPrefix(k.path, "prices."):
			for _, p := range c.Prices {
				path := strings.Replace(k.path, "NAME", p.Model, 1)
				rows = append(rows, c.row(path, k, d.field(k, p.Model)))
			}
		case strings.HasPrefix(k.path, "accounts."), strings.HasPrefix(k.path, "notify.NAME."), strings.HasPrefix(k.path, "recurring."), strings.HasPrefix(k.path, "forges."):
			// each account and each channel is listed below, in the order of preference
		case strings.HasSuffix(k.path, ".VAR"):
			for _, name := range sortedKeys(d.agents) {
				for _, v := range sortedKeys(d.agents[name].Env) {
					path := "agents." + name + ".env." + v
					rows = append(rows, c.row(path, k, d.agents[name].Env[v]))
				}
			}
		default:
			for _, name := range sortedKeys(d.agents) {
				path := strings.Replace(k.path, "NAME", name, 1)
				if _, set := c.Origin[path]; set {
					rows = append(rows, c.row(path, k, d.field(k, name)))
				}
			}
		}
	}
	for _, name := range sortedKeys(c.Agents) {
		rows = append(rows, c.describedRows(name)...)
	}
	for _, check := range c.Checks {
		for _, k := range keys() {
			if strings.HasPrefix(k.path, "checks.NAME.") && !k.ofReview() {
				rows = append(rows, c.row(strings.Replace(k.path, "NAME", check.Name, 1), k, d.field(k, check.Name)))
			}
		}
	}
	rows = append(rows, c.showReviews(d)...)
	rows = append(rows, c.showAccounts(d)...)
	rows = append(rows, c.showNotify(d)...)
	rows = append(rows, c.showRecurring(d)...)
	rows = append(rows, c.showForges(d)...)
	for i, rule := range c.Permission {
		for _, k := range keys() {
			if !strings.HasPrefix(k.path, "permission.") {
				continue
			}
			number := strconv.Itoa(i)
			field := d.field(k, number)
			if reflect.ValueOf(field).Elem().IsZero() {
				continue
			}
			rows = append(rows, Row{Key: strings.Replace(k.path, "N", number, 1), Value: k.literal(field), Origin: rule.Origin})
		}
	}
	return rows
}

// showAccounts lists the values of the accounts, in the order of preference.
func (c Config) showAccounts(d *draft) (rows []Row) {
	for _, a := range c.Accounts {
		for _, k := range keys() {
			path, ok := strings.CutPrefix(k.path, "accounts.NAME.")
			if !ok {
				continue
			}
			path = "accounts." + a.Name + "." + path
			vars, many := d.field(k, a.Name).(map[string]string)
			if !many {
				rows = append(rows, c.row(path, k, d.field(k, a.Name)))
				continue
			}
			for _, v := range sortedKeys(vars) {
				rows = append(rows, c.row(strings.TrimSuffix(path, "VAR")+v, k, vars[v]))
			}
		}
	}
	return rows
}

func (c Config) row(path string, k key, field any) Row {
	origin := c.Origin[path]
	if origin == "" {
		origin = originDefault
	}
	return Row{Key: path, Value: k.literal(field), Origin: origin}
}

// literal formats a value as TOML.
func (k *key) literal(field any) string {
	switch f := field.(type) {
	case string:
		return quote(f)
	case *string:
		if *f == "" && k.kind == kindWord {
			return quote(trustInherit)
		}
		return quote(*f)
	case *int:
		return strconv.Itoa(*f)
	case *time.Duration:
		return quote(FormatDuration(*f))
	case *int64:
		if k.kind == kindTokens {
			return strconv.FormatInt(*f, 10)
		}
		return quote(formatSize(*f))
	case *float64:
		return strconv.FormatFloat(*f, 'f', -1, 64)
	case *bool:
		if k.kind == kindBool {
			return strconv.FormatBool(*f)
		}
		if *f {
			return quote(onEdit)
		}
		return "[]"
	case *Ports:
		if *f == nil {
			return quote(anyPort)
		}
		ports := make([]string, len(*f))
		for i, p := range *f {
			ports[i] = strconv.Itoa(p)
		}
		return "[" + strings.Join(ports, ", ") + "]"
	case *[]string:
		q := make([]string, len(*f))
		for i, s := range *f {
			q[i] = quote(s)
		}
		return "[" + strings.Join(q, ", ") + "]"
	}
	return fmt.Sprint(field)
}

// quote returns s as a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// FormatDuration formats a duration without zero units: "3h", not "3h0m0s".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func formatSize(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := int64(1) << (40 - 10*i); n >= one && n%one == 0 {
			return fmt.Sprintf("%d%s", n/one, unit)
		}
	}
	return strconv.FormatInt(n, 10)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
