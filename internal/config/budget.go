package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
)

// Budget has the limits of what may be used.
type Budget struct {
	Task  event.Budget // of one task
	Night NightBudget  // of all tasks
}

// NightBudget is what all tasks may use in a night.
type NightBudget struct {
	event.SharedBudget
	Since string // the time of day, as HH:MM, at which the budgets of nights and of accounts are renewed
}

// Dusk returns the time of day at which the budgets of nights and of accounts are renewed, as the time since midnight.
func (b NightBudget) Dusk() time.Duration {
	at, err := time.Parse(clockForm, b.Since)
	if err != nil { // the zero value of a Config
		at, _ = time.Parse(clockForm, defaultDusk)
	}
	return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
}

// The form of a time of day, and the default of NightBudget.Since.
const (
	clockForm   = "15:04"
	defaultDusk = "18:00"
)

// The limits of amounts, far above what anybody means.
const (
	mostUSD    = 1e9
	mostTokens = 1 << 50
)

// setAmount sets a number of dollars, or a share.
func (k *key) setAmount(f *float64, v any) error {
	n, isFloat := v.(float64)
	if i, ok := v.(int64); ok {
		n, isFloat = float64(i), true
	}
	if !isFloat {
		return k.mismatch(v)
	}
	most := float64(mostUSD)
	if k.kind == kindShare {
		most = 1
	}
	if math.IsNaN(n) || n < 0 || n > most {
		return fault.New(fault.Usage, "is %v, and must be from 0 to %v", n, most)
	}
	*f = n
	return nil
}

func (k *key) setTokens(f *int64, v any) error {
	n, ok := v.(int64)
	if !ok {
		return k.mismatch(v)
	}
	if n < 0 || n > mostTokens {
		return fault.New(fault.Usage, "is %d, and must be from 0 to %d", n, int64(mostTokens))
	}
	*f = n
	return nil
}

// price returns the row of [prices] with this pattern.
func (d *draft) price(pattern string) *event.Price {
	p := d.prices[pattern]
	if p == nil {
		p = &event.Price{Model: pattern}
		d.prices[pattern] = p
	}
	return p
}

// finishPrices checks the rows of [prices], and fills in what they leave out.
func (d *draft) finishPrices() (wrong []complaint) {
	for _, pattern := range sortedKeys(d.prices) {
		p, path := d.prices[pattern], "prices."+pattern
		for _, name := range []string{".input", ".output"} {
			if _, set := d.Origin[path+name]; !set {
				wrong = append(wrong, complaint{
					where: d.place(path), what: "prices of `" + pattern + "` have no `" + name[1:] + "`",
					hint: "Give input and output in USD per million tokens.",
				})
			}
		}
		for name, field := range map[string]*float64{".cache_read": &p.CacheRead, ".cache_write": &p.CacheWrite} {
			if _, set := d.Origin[path+name]; !set {
				*field, d.Origin[path+name] = p.Input, originDefault
			}
		}
	}
	return wrong
}

// sortedPrices returns the rows of [prices] in the order of their patterns.
func (d *draft) sortedPrices() []event.Price {
	var all []event.Price
	for _, pattern := range sortedKeys(d.prices) {
		all = append(all, *d.prices[pattern])
	}
	return all
}

// validPattern reports whether s can be the name of a model, or a pattern for names.
func validPattern(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool { return !isWord(r) && !strings.ContainsRune(".-*/:@[]+", r) })
}

const patternRule = "It is the name of a model as the agent reports it, such as \"claude-sonnet-5\"; * matches any characters."

// budgetKeys are the words of --budget, which are the keys of [budget.task].
func budgetKeys() []string {
	var names []string
	for _, k := range keys() {
		if name, ok := strings.CutPrefix(k.path, "budget.task."); ok {
			names = append(names, name)
		}
	}
	return names
}

// SetBudget sets one limit of a budget from a flag, as the key of [budget.task] does. Its error is a fault.Usage.
func SetBudget(b *event.Budget, name, value string) error {
	all := keys()
	i := slices.IndexFunc(all, func(k key) bool { return k.path == "budget.task."+name })
	if i < 0 {
		return fault.New(fault.Usage, "%q is no limit of a budget", name).WithHint("%s", hintWord(name, budgetKeys(), "The limits are", ""))
	}
	k := &all[i]
	if err := k.set(member(b, strings.ReplaceAll(name, "_", "")), entry{path: []string{name}, value: k.parse(value)}); err != nil {
		c := asComplaint(err)
		return fault.New(fault.Usage, "%s %s", name, c.what).WithHint("%s", orHint(c.hint, "Write it like cost_usd=2,turns=30; 0 is no limit."))
	}
	return nil
}

// parse returns the value of a flag as TOML would have it; a text that no number fits stays a text, which set refuses.
func (k *key) parse(s string) any {
	if k.kind == kindDuration {
		return s
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return n
	}
	return s
}

func orHint(hint, other string) string {
	if hint == "" {
		return other
	}
	return hint
}
