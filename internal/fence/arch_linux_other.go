//go:build linux && !amd64 && !arm64

package fence

// There is no filter for other architectures, and so no fence.
const (
	auditArch    = 0
	firstForeign = 0
)
