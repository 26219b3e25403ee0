package event

import (
	"fmt"
	"strconv"
	"strings"
)

// TaskID identifies a task: "t" and a number that is never reused, such as t12.
type TaskID string

// MessageID identifies a message of a task: "m" and a growing number, such as m3.
type MessageID string

// ActionID identifies an action of a task: "a" and a growing number.
type ActionID string

// NewTaskID returns the id with number n.
func NewTaskID(n int) TaskID { return TaskID("t" + strconv.Itoa(n)) }

// NewMessageID returns the id with number n.
func NewMessageID(n int) MessageID { return MessageID("m" + strconv.Itoa(n)) }

// NewActionID returns the id with number n.
func NewActionID(n int) ActionID { return ActionID("a" + strconv.Itoa(n)) }

// IsTaskID reports whether a word has the form of a task id. Such a word is never taken for a name.
func IsTaskID(s string) bool { return isID(s, 't') }

// Number returns the number within the id; 0 if it is not an id.
func (id TaskID) Number() int {
	if !IsTaskID(string(id)) {
		return 0
	}
	n, _ := strconv.Atoi(string(id[1:]))
	return n
}

func isID(s string, letter byte) bool {
	if len(s) < 2 || len(s) > 12 || s[0] != letter || s[1] == '0' {
		return false
	}
	return strings.Trim(s[1:], "0123456789") == ""
}

// Tag returns the text that identifies a message in what an agent reports.
func (id MessageID) Tag() string { return fmt.Sprintf("[muster %s]", id) }
