package fault

import (
	"context"
	"errors"
	"fmt"
)

// Code classifies an error for scripts: it decides the exit code and nothing else.
type Code string

// The codes, each with its exit code in exitCodes.
const (
	Failed      Code = "failed"      // it was tried and did not work
	Usage       Code = "usage"       // the words of the call or a configuration file are off
	NotFound    Code = "not_found"   // no such task, file, verb
	Conflict    Code = "conflict"    // a precondition does not hold; nothing was changed
	Timeout     Code = "timeout"     // it did not happen in the time given
	Interrupted Code = "interrupted" // a person pressed Ctrl-C
)

// exitCodes is the contract of design section 11.
var exitCodes = map[Code]int{Failed: 1, Usage: 2, NotFound: 3, Conflict: 4, Timeout: 5, Interrupted: 130}

// Error is a failure that a person will read: what failed, on what, and the next step.
type Error struct {
	Code    Code
	Message string // lower case, no full stop, names the file, line, flag or task
	Hint    string // the next step, an imperative sentence; "" where there is none
	Cause   error  // what lies below, kept for errors.Is; not repeated to people if Message says it
}

// Error gives the message, with the cause behind it.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error with a code; the message is formatted.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error with a code around a cause.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithHint sets the next step and returns the same error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CodeOf is the code of the first *Error in the chain; Failed for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failed
}

// HintOf is the hint of the outermost *Error in the chain that has one.
func HintOf(err error) string {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Cause
	}
	return ""
}

// Is reports whether err carries the code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

// ExitCode is the process exit code for an error: 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return exitCodes[CodeOf(err)]
}
