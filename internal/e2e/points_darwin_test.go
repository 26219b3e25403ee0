package e2e

// watchFiles does nothing, because this system cannot ask this process before it executes a system call. Deaths within
// a step come only from delays.
func watchFiles(func(string)) {}
