package host

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
)

// Sleep has what may make the host sleep without a person who means it.
type Sleep struct {
	Lid     string // what logind does when the lid is closed, such as "suspend"; "" for a host without a lid, or without logind
	Idle    string // what logind does with an idle session; "" for nothing
	Battery bool   // it runs on its battery now
}

// ReadSleep reads the settings of logind and the state of the power supply. It never fails: an unreadable file counts as
// missing. It knows Linux only.
func ReadSleep() Sleep { return sleepAt("/") }

// sleepAt is ReadSleep with all paths below root.
func sleepAt(root string) Sleep {
	s := Sleep{Battery: onBattery(root)}
	if !exists(root, "run/systemd/system") {
		return s
	}
	conf := logindConf(root)
	// The defaults are those of logind.conf(5).
	lid := cmp.Or(conf["HandleLidSwitch"], "suspend")
	if !s.Battery {
		lid = cmp.Or(conf["HandleLidSwitchExternalPower"], lid)
	}
	if lids, _ := filepath.Glob(filepath.Join(root, "proc/acpi/button/lid/*")); len(lids) > 0 && lid != "ignore" && lid != "lock" {
		s.Lid = lid
	}
	if idle := conf["IdleAction"]; idle != "ignore" && idle != "lock" {
		s.Idle = idle
	}
	return s
}

// onBattery reports whether there is a mains supply, and none of them is connected.
func onBattery(root string) bool {
	supplies, _ := filepath.Glob(filepath.Join(root, "sys/class/power_supply/*"))
	mains := false
	for _, dir := range supplies {
		if word(dir, "type") != "Mains" {
			continue
		}
		if word(dir, "online") == "1" {
			return false
		}
		mains = true
	}
	return mains
}

// word returns the content of a file of a kernel directory, without white space around it.
func word(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
