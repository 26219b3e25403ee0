package e2e

// watchFiles does nothing: this system does not ask before it does something for a process. Deaths in the middle of an
// act come by delays alone.
func watchFiles(func(string)) {}
