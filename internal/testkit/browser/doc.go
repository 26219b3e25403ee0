// Package browser provides a real browser to tests: Chromium of the system, driven by Playwright, with axe for accessibility.
//
// Owns: the installation of Playwright and axe for tests, and where Chromium is.
// Never does: know a page.
// Start at: Run.
package browser
