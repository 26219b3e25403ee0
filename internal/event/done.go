package event

import "cmp"

// Reaction is what happens if finished work has something that a person may not want.
type Reaction string

// The reactions.
const (
	ReactionAllow Reaction = "allow"
	ReactionBack  Reaction = "back" // the work goes back to its agent with the reason; it is a red round
	ReactionPark  Reaction = "park"
)

// Demands is what finished work must show besides green checks. A reaction of "" is that of tasks of older versions: ReactionBack
// for NoChange, and ReactionAllow for the others.
type Demands struct {
	Scope        []string `json:"scope,omitempty"`     // patterns of the files that may be changed; none means all
	MaxFiles     int      `json:"max_files,omitempty"` // 0 is no limit
	MaxLines     int      `json:"max_lines,omitempty"` // added and removed; 0 is no limit
	NoChange     Reaction `json:"no_change,omitempty"`
	OutsideScope Reaction `json:"outside_scope,omitempty"`
	DeletedTests Reaction `json:"deleted_tests,omitempty"`
	ProseOnly    Reaction `json:"prose_only,omitempty"`
	CheckConfig  Reaction `json:"check_config,omitempty"`
	TooLarge     Reaction `json:"too_large,omitempty"`
}

// FindingKind is what finished work was found to have.
type FindingKind string

// The kinds of findings. They are also the reasons of tasks that are parked for them.
const (
	OutsideScope FindingKind = "outside_scope" // files that the task's scope does not name
	DeletedTests FindingKind = "deleted_tests"
	ProseOnly    FindingKind = "prose_only"   // only texts for people were changed
	CheckConfig  FindingKind = "check_config" // muster.toml, or a script that a check names
	TooLarge     FindingKind = "too_large"
)

// FindingKinds returns all kinds, the weightiest first.
func FindingKinds() []FindingKind {
	return []FindingKind{OutsideScope, DeletedTests, CheckConfig, TooLarge, ProseOnly}
}

// Reaction returns what happens to work with a finding.
func (d Demands) Reaction(k FindingKind) Reaction {
	r := ReactionAllow
	switch k {
	case OutsideScope:
		r = d.OutsideScope
	case DeletedTests:
		r = d.DeletedTests
	case ProseOnly:
		r = d.ProseOnly
	case CheckConfig:
		r = d.CheckConfig
	case TooLarge:
		r = d.TooLarge
	}
	return cmp.Or(r, ReactionAllow)
}

// Sized reports whether the size of a change matters.
func (d Demands) Sized() bool { return d.MaxFiles > 0 || d.MaxLines > 0 }

// Finding is one thing that finished work was found to have.
type Finding struct {
	Kind  FindingKind `json:"kind"`
	Files []string    `json:"files,omitempty"` // the first ones
	Text  string      `json:"text"`            // what was found, as a sentence
}
