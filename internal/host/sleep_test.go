package host

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadSleep(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  Sleep
	}{
		"a server":                      {map[string]string{"run/systemd/system/x": ""}, Sleep{}},
		"no logind":                     {map[string]string{"proc/acpi/button/lid/LID0/state": "open"}, Sleep{}},
		"a laptop as it comes":          {map[string]string{"run/systemd/system/x": "", "proc/acpi/button/lid/LID0/state": "open"}, Sleep{Lid: "suspend"}},
		"a lid that does nothing":       {map[string]string{"run/systemd/system/x": "", "proc/acpi/button/lid/LID0/state": "", "etc/systemd/logind.conf": "[Login]\nHandleLidSwitch=ignore\n"}, Sleep{}},
		"nothing on external power":     {map[string]string{"run/systemd/system/x": "", "proc/acpi/button/lid/LID0/state": "", "etc/systemd/logind.conf": "[Login]\nHandleLidSwitchExternalPower=ignore\n"}, Sleep{}},
		"an idle session is suspended":  {map[string]string{"run/systemd/system/x": "", "etc/systemd/logind.conf": "[Login]\nIdleAction=suspend\n"}, Sleep{Idle: "suspend"}},
		"the mains are not connected":   {map[string]string{"sys/class/power_supply/AC/type": "Mains\n", "sys/class/power_supply/AC/online": "0\n"}, Sleep{Battery: true}},
		"one of two mains is connected": {map[string]string{"sys/class/power_supply/A/type": "Mains", "sys/class/power_supply/A/online": "0", "sys/class/power_supply/B/type": "Mains", "sys/class/power_supply/B/online": "1"}, Sleep{}},
		"a battery and nothing else":    {map[string]string{"sys/class/power_supply/BAT0/type": "Battery"}, Sleep{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, text := range c.files {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := sleepAt(root); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
