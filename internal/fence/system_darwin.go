package fence

// systemRead are the files of the system that every program may read and run.
var systemRead = []string{
	"/usr", "/bin", "/sbin", "/System", "/Library", "/private/etc", "/private/var/db/timezone", "/private/var/select", "/opt", "/Applications/Xcode.app",
	"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr",
}

// systemWrite are the devices without which programs do not start, and the terminals.
var systemWrite = []string{
	"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
}

// Nests reports whether a process in a fence can enter a tighter one: sandbox-exec refuses to start inside of a profile.
const Nests = false
