package fence

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"muster/internal/fault"
	"muster/internal/run"
)

// The versions of Landlock on which something depends.
const (
	abiTruncate = 3 // the least: without REFER (2) git renames nothing, without TRUNCATE files outside can be emptied
	abiTCP      = 4
	abiIoctl    = 5
	abiScope    = 6
)

// The rights to a file, and those that only a directory can have.
const (
	readFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir  = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR

	writeFile = readFile | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	writeDir = readDir | writeFile | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER

	handled = writeDir | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
)

const ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT

// netPort is struct landlock_net_port_attr.
type netPort struct{ access, port uint64 }

// Fence is a policy that this machine can enforce. Close it when Exec has failed.
type Fence struct {
	rules   *os.File // the rule set of Landlock
	filter  []unix.SockFilter
	applied Applied
}

// ABI returns the version of Landlock that this kernel enforces. The error names what is missing and the next step.
func ABI() (int, error) {
	abi, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == unix.EOPNOTSUPP:
		return 0, fault.New(fault.Conflict, "the fence needs Landlock, which this kernel (%s) has switched off", kernel()).
			WithHint("Add landlock to the lsm= list of the kernel's command line and reboot, or set mode = \"off\" under [fence].")
	case errno != 0:
		return 0, fault.New(fault.Conflict, "the fence needs Landlock ABI %d (Linux 6.2), and this kernel (%s) has no Landlock", abiTruncate, kernel()).
			WithHint("Run Linux 6.2 or later, or set mode = \"off\" under [fence].")
	}
	return int(abi), enough(int(abi))
}

// enough reports whether a version of Landlock can enforce any policy.
func enough(abi int) error {
	if abi >= abiTruncate {
		return nil
	}
	return fault.New(fault.Conflict, "the fence needs Landlock ABI %d (Linux 6.2), and this kernel (%s) has ABI %d", abiTruncate, kernel(), abi).
		WithHint("Run Linux 6.2 or later, or set mode = \"off\" under [fence].")
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}

// Prepare opens what a policy lists. It restricts nothing. An error means that the fence cannot be had as it was asked for.
func Prepare(p Policy) (*Fence, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	abi, err := ABI()
	if err != nil {
		return nil, err
	}
	if p.Ports != nil && abi < abiTCP {
		return nil, fault.New(fault.Conflict, "a list of TCP ports needs Landlock ABI %d (Linux 6.7), and this kernel (%s) has ABI %d", abiTCP, kernel(), abi).
			WithHint("Run Linux 6.7 or later, or set tcp = \"any\" under [fence].")
	}
	f := &Fence{applied: Applied{ABI: abi, Seccomp: true}}
	if f.applied.Policy, err = p.Digest(); err != nil {
		return nil, err
	}
	if f.filter, err = filter(p); err != nil {
		return nil, err
	}
	if f.rules, err = ruleSet(abi, p.Ports != nil); err != nil {
		return nil, err
	}
	if err := f.grant(p); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ruleSet makes an empty rule set, which refuses everything that this version of Landlock knows.
func ruleSet(abi int, ports bool) (*os.File, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rights(handled, abi)}
	if ports {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= abiScope {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0) //nolint:gosec // the kernel reads it
	if errno != 0 {
		return nil, fmt.Errorf("make the rule set of the fence: %w", errno)
	}
	return os.NewFile(fd, "landlock"), nil
}

// rights returns those of a set of rights that a version of Landlock knows.
func rights(set uint64, abi int) uint64 {
	if abi < abiIoctl {
		set &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return set
}

// grant adds the rules of a policy.
func (f *Fence) grant(p Policy) error {
	for _, path := range p.Read {
		granted, err := f.path(path, readFile, readDir)
		if err != nil {
			return err
		}
		f.applied.Read += granted
	}
	for _, path := range p.Write {
		granted, err := f.path(path, writeFile, writeDir)
		if err != nil {
			return err
		}
		f.applied.Write += granted
	}
	for _, port := range p.Ports {
		rule := netPort{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}                           //nolint:gosec // checked
		if err := f.rule(ruleNetPort, unsafe.Pointer(&rule), fmt.Sprint("port ", port)); err != nil { //nolint:gosec // the kernel reads it
			return err
		}
	}
	return nil
}

// path grants a file, or a directory and everything below it. It returns 0 if there is no such file.
func (f *Fence) path(path string, ofFile, ofDir uint64) (granted int, err error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
	switch {
	case isMissing(err):
		return 0, nil // and nothing is allowed there
	case errors.Is(err, unix.ELOOP):
		return 0, fault.Wrap(fault.Conflict, err, "a path of the fence leads through a symbolic link: %s", path).
			WithHint("Name the real path under [fence], or remove the link.")
	case err != nil:
		return 0, fmt.Errorf("grant %s: %w", path, err)
	}
	defer unix.Close(fd) //nolint:errcheck // a descriptor without data
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("grant %s: %w", path, err)
	}
	access := ofFile
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		access = ofDir
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights(access, f.applied.ABI), Parent_fd: int32(fd)} //nolint:gosec // a descriptor is small
	return 1, f.rule(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule), path)                            //nolint:gosec // the kernel reads it
}

func (f *Fence) rule(kind uintptr, attr unsafe.Pointer, what string) error {
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, f.rules.Fd(), kind, uintptr(attr), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("grant %s: %w", what, errno)
	}
	return nil
}

// Applied returns what the fence consists of.
func (f *Fence) Applied() Applied { return f.applied }

// Close gives up a fence that was not entered.
func (f *Fence) Close() error { return f.rules.Close() }

// Exec restricts this process and executes a program in it. It returns only if that failed; the calling goroutine is not
// restricted then, and may try again.
func (f *Fence) Exec(path string, argv, env []string) error {
	failed := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, because nothing lifts its restrictions.
		runtime.LockOSThread()
		if err := f.enter(); err != nil {
			failed <- err
			return
		}
		failed <- run.Replace(path, argv, env)
	}()
	return <-failed
}

// enter restricts the calling thread. The filter of system calls comes last, because it stays in force from its own call on.
func (f *Fence) enter() error {
	if err := dropCapabilities(); err != nil {
		return &EnterError{"capabilities", err}
	}
	if _, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return &EnterError{"no_new_privs", errno}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, f.rules.Fd(), 0, 0); errno != 0 {
		return &EnterError{"landlock", errno}
	}
	prog := unix.SockFprog{Len: uint16(len(f.filter)), Filter: &f.filter[0]}                                          //nolint:gosec // some dozens
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))) //nolint:gosec // the kernel reads it
	if errno != 0 {
		return &EnterError{"seccomp", errno}
	}
	return nil
}
