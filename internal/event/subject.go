package event

import "strings"

// AccountID names an account of a model's service, as in the configuration.
type AccountID string

// QueueID names a merge queue. There is one for each base branch of a repository.
type QueueID string

// Subject is what an event, an action, a deadline or a job belongs to. At most one of its fields is set. The zero
// Subject is the fleet as a whole. It is comparable, so it is the key of maps by subject.
type Subject struct {
	Task    TaskID
	Account AccountID
	Queue   QueueID
}

// OfTask returns the subject of a task, or that of the fleet for "".
func OfTask(id TaskID) Subject { return Subject{Task: id} }

// OfAccount returns the subject of an account.
func OfAccount(id AccountID) Subject { return Subject{Account: id} }

// The keys of subjects that are not tasks begin with these words, which the id of a task cannot.
const (
	accountKey = "account:"
	queueKey   = "queue:"
)

// Key returns the subject as one word, as it is in the log: "" for the fleet, t12, account:claude, queue:main.
func (s Subject) Key() string {
	switch {
	case s.Account != "":
		return accountKey + string(s.Account)
	case s.Queue != "":
		return queueKey + string(s.Queue)
	}
	return string(s.Task)
}

// ParseSubject parses the result of Key.
func ParseSubject(key string) Subject {
	if id, ok := strings.CutPrefix(key, accountKey); ok {
		return Subject{Account: AccountID(id)}
	}
	if id, ok := strings.CutPrefix(key, queueKey); ok {
		return Subject{Queue: QueueID(id)}
	}
	return Subject{Task: TaskID(key)}
}

// Other returns the key of a subject that is neither a task nor the fleet; "" for these two.
func (s Subject) Other() string {
	if s.Account != "" || s.Queue != "" {
		return s.Key()
	}
	return ""
}
