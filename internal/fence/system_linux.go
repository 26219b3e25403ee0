package fence

// systemRead are the files of the system that every program may read and run: programs, libraries, configuration, and what
// package managers outside of /usr install. None of it belongs to the user.
var systemRead = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/opt",
	"/nix/store", "/gnu/store", "/run/current-system", "/home/linuxbrew/.linuxbrew", "/snap",
	"/etc/resolv.conf", // often a link to a file of /run
}

// systemWrite are the devices without which programs do not start, and the terminals.
var systemWrite = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts",
}

// Nests reports whether a process in a fence can enter a tighter one.
const Nests = true
