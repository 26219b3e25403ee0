package config

import (
	"fmt"
	"slices"
	"strings"
)

// reviewKeys are the fields of a check that only a review has.
var reviewKeys = []string{"agent", "prompt", "model", "costusd"}

// ofReview reports whether only checks that are agents have the key.
func (k key) ofReview() bool {
	name, ok := strings.CutPrefix(k.path, "checks.NAME.")
	return ok && slices.Contains(reviewKeys, strings.ReplaceAll(name, "_", ""))
}

// review returns the review of the check with that name.
func (d *draft) review(name string) *Review {
	d.check(name)
	r := d.reviews[name]
	if r == nil {
		r = &Review{Name: name}
		d.reviews[name] = r
	}
	return r
}

// finishReviews makes reviews of the checks that are agents.
func (d *draft) finishReviews() (wrong []complaint) {
	left := d.Checks[:0:0]
	for _, c := range d.Checks {
		r := d.reviews[c.Name]
		if r == nil {
			left = append(left, c)
			continue
		}
		path := "checks." + c.Name
		complain := func(what, hint string) {
			wrong = append(wrong, complaint{where: d.place(path), what: what, hint: hint})
		}
		for _, key := range []string{"run", "on", "flaky", "only"} {
			if _, set := d.Origin[path+"."+key]; set {
				complain(fmt.Sprintf("check `%s` is an agent and has `%s`, which is for commands", c.Name, key), "Remove it, or make two checks.")
			}
		}
		switch {
		case r.Agent == "":
			complain(fmt.Sprintf("check `%s` has no `agent`", c.Name), fmt.Sprintf("Name the agent that reviews: [checks.%s] agent = \"claude\"", c.Name))
		case strings.TrimSpace(r.Prompt) == "":
			complain(fmt.Sprintf("check `%s` has no `prompt`", c.Name), "Say what the reviewer is to look at.")
		}
		r.Timeout = c.Timeout
		if _, set := d.Origin[path+".timeout"]; !set {
			r.Timeout, d.Origin[path+".timeout"] = defaultReviewTimeout, originDefault
		}
		d.Reviews = append(d.Reviews, *r)
	}
	d.Checks = left
	return wrong
}

// knownReviewers complains about reviews by agents that do not exist.
func (d *draft) knownReviewers() (wrong []complaint) {
	for _, r := range d.Reviews {
		if _, err := d.config().Agent(r.Agent); err != nil {
			c := asComplaint(err)
			path := "checks." + r.Name + ".agent"
			c.where, c.what = d.place(path), path+": "+c.what
			wrong = append(wrong, *c)
		}
	}
	return wrong
}

// showReviews lists the values of the reviews.
func (c Config) showReviews(d *draft) (rows []Row) {
	for _, r := range c.Reviews {
		for _, k := range keys() {
			if !k.ofReview() && k.path != "checks.NAME.timeout" {
				continue
			}
			path := strings.Replace(k.path, "NAME", r.Name, 1)
			field := member(d.reviews[r.Name], strings.ReplaceAll(strings.TrimPrefix(k.path, "checks.NAME."), "_", ""))
			rows = append(rows, c.row(path, k, field))
		}
	}
	return rows
}
