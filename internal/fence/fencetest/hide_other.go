//go:build !linux

package fencetest

import "errors"

// HideLandlock fails: only Linux has Landlock.
func HideLandlock() error { return errors.New("there is no Landlock to hide") }

// WithABI fails: only Linux has Landlock.
func WithABI(int, func() error) error { return errors.New("there is no Landlock to change") }
