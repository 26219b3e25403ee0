package event

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oldActions has each kind of action as programs before 2026-11 wrote it, when one struct had the arguments of all
// kinds. Users' logs have such lines, so entries are only added to this table.
var oldActions = map[string]Action{
	`{"id":"a1","kind":"prepare"}`: {ID: "a1", Args: PrepareArgs{}},
	`{"id":"a2","kind":"start","gen":2,"conversation":"c1","resume":true,"messages":["m1","m2"]}`: {
		ID: "a2", Gen: 2, Args: StartArgs{Conversation: "c1", Resume: true, Messages: []MessageID{"m1", "m2"}},
	},
	`{"id":"a3","kind":"deliver","gen":1,"message":"m1"}`:                                             {ID: "a3", Gen: 1, Args: DeliverArgs{Message: "m1"}},
	`{"id":"a4","kind":"look","gen":1,"message":"m1"}`:                                                {ID: "a4", Gen: 1, Args: ConfirmArgs{Message: "m1"}},
	`{"id":"a5","kind":"answer","gen":1,"request":"r1","decision":"deny","text":"no"}`:                {ID: "a5", Gen: 1, Args: AnswerArgs{Request: "r1", Decision: Deny, Text: "no"}},
	`{"id":"a6","kind":"interrupt","gen":1}`:                                                          {ID: "a6", Gen: 1, Args: InterruptArgs{}},
	`{"id":"a7","kind":"probe","gen":1,"quiet":600000000000}`:                                         {ID: "a7", Gen: 1, Args: ProbeArgs{Quiet: 10 * time.Minute}},
	`{"id":"a8","kind":"end","gen":1}`:                                                                {ID: "a8", Gen: 1, Args: EndArgs{}},
	`{"id":"a9","kind":"check","gen":1,"round":2,"known":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}`: {ID: "a9", Gen: 1, Args: CheckArgs{Round: 2, Known: "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}},
	`{"id":"a10","kind":"publish","gen":1,"tree":"4b825dc642cb6eb9a060e54bf8d69288fbee4904"}`:         {ID: "a10", Gen: 1, Args: PublishArgs{Tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}},
	`{"id":"a11","kind":"clean","gen":1}`:                                                             {ID: "a11", Gen: 1, Args: CleanArgs{}},
	`{"id":"a12","kind":"keep","gen":1}`:                                                              {ID: "a12", Gen: 1, Args: KeepArgs{}},
	`{"id":"a13","kind":"close","gen":1}`:                                                             {ID: "a13", Gen: 1, Args: CloseArgs{}},
	`{"id":"a14","kind":"remove","gen":1,"force":true}`:                                               {ID: "a14", Gen: 1, Args: RemoveArgs{Force: true}},
	`{"id":"a15","kind":"restore","gen":1,"ref":"refs/muster/keep/t1-fix/1"}`:                         {ID: "a15", Gen: 1, Args: RestoreArgs{Ref: "refs/muster/keep/t1-fix/1"}},
	`{"id":"a17","kind":"build","branch":"main","entries":[{"task":"t1","commit":"c1","tree":"x1","lane":"l"}],"lane":"l","lead":"t1","fresh":true}`: {
		ID: "a17", Args: BuildArgs{Branch: "main", Entries: []MergeEntry{{Task: "t1", Commit: "c1", Tree: "x1", Lane: "l"}}, Lane: "l", Lead: "t1", Fresh: true},
	},
	`{"id":"a18","kind":"judge","lead":"t1","commit":"c2","tree":"x2","run":3}`:                {ID: "a18", Args: JudgeArgs{Lead: "t1", Commit: "c2", Tree: "x2", Run: 3}},
	`{"id":"a19","kind":"land","branch":"main","lead":"t1","old":"c0","new":"c2","tree":"x2"}`: {ID: "a19", Args: LandArgs{Branch: "main", Lead: "t1", Old: "c0", New: "c2", Tree: "x2"}},
	`{"id":"a16","kind":"teleport","gen":1,"to":"moon"}`: {
		ID: "a16", Gen: 1, Args: UnknownArgs{Name: "teleport", Raw: json.RawMessage(`{"id":"a16","kind":"teleport","gen":1,"to":"moon"}`)},
	},
}

func TestActionOfAnOldLogIsReadAndWrittenAsEver(t *testing.T) {
	t.Parallel()
	seen := map[ActionKind]bool{}
	for line, want := range oldActions {
		var got Action
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s is read otherwise (-want +got):\n%s", line, d)
		}
		b, err := json.Marshal(want)
		if err != nil || string(b) != line {
			t.Errorf("wrote %s (%v)\nwant  %s", b, err, line)
		}
		seen[got.Kind()] = true
	}
	for _, k := range ActionKinds() {
		if !seen[k] {
			t.Errorf("no old line of kind %s", k)
		}
	}
}

func TestActionKindsDecodeToThemselves(t *testing.T) {
	t.Parallel()
	for kind, read := range actions {
		args, err := read([]byte("{}"))
		if err != nil || args.Action() != kind {
			t.Errorf("arguments of %s: %v, %v", kind, args, err)
			continue
		}
		rt := reflect.TypeOf(args)
		for i := range rt.NumField() {
			if name := rt.Field(i).Tag.Get("json"); name == "id" || name == "kind" || name == "gen" {
				t.Errorf("%s has an argument %q, which every action has", kind, name)
			}
		}
	}
}

func TestActionWithBadArgumentsIsAnError(t *testing.T) {
	t.Parallel()
	var a Action
	if err := json.Unmarshal([]byte(`{"id":"a1","kind":"check","round":"two"}`), &a); err == nil {
		t.Errorf("read as %+v", a)
	}
}
