package event

import (
	"fmt"
	"strconv"
	"strings"
)

// TaskID names a task for ever: "t" and a number that grows, such as t12.
type TaskID string

// MessageID names a message within its task: "m" and a number that grows, such as m3.
type MessageID string

// ActionID names an action within its task: "a" and a number that grows.
type ActionID string

// NewTaskID makes the id with number n.
func NewTaskID(n int) TaskID { return TaskID("t" + strconv.Itoa(n)) }

// NewMessageID makes the id with number n.
func NewMessageID(n int) MessageID { return MessageID("m" + strconv.Itoa(n)) }

// NewActionID makes the id with number n.
func NewActionID(n int) ActionID { return ActionID("a" + strconv.Itoa(n)) }

// IsTaskID tells whether a word has the shape of a task id; such a word is never taken for a name.
func IsTaskID(s string) bool { return isID(s, 't') }

// Number is the number within the id; 0 if it is not one.
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

// Tag is the text by which a message is found again in what an agent reports.
func (id MessageID) Tag() string { return fmt.Sprintf("[muster %s]", id) }
