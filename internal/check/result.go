package check

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/replace"
	"muster/internal/spec"
)

// ErrFalse is the error of a result that the expected runner did not sign, or that is about another job. It says
// nothing about the work.
var ErrFalse = errors.New("it was not signed by the runner that was started")

// signedFor begins every signed text, so that a signature is valid for a result only.
const signedFor = "muster: result of a job\n"

// signed is the form in which a result is written.
type signed struct {
	Result    json.RawMessage `json:"result"` // exactly these bytes are signed
	Signature []byte          `json:"signature"`
}

// Expected is what the log says about the run whose result is read.
type Expected struct {
	Task       event.TaskID
	Job        string
	Definition string
	Key        []byte
}

// Definition returns a hash of everything that the job does: its steps with their limits, where they run and with
// which environment, everything that their fence grants, and where the results go.
func (j Job) Definition() (string, error) {
	j.V = spec.Version
	var f jobFile
	var b []byte
	for range 2 { // the second pass sees what a reader of the file sees
		var err error
		if b, err = json.Marshal(newJobFile(j)); err == nil {
			err = json.Unmarshal(b, &f)
		}
		if err != nil {
			return "", fmt.Errorf("encode job %s: %w", j.Name, err)
		}
		j = f.job()
	}
	return digest(b), nil
}

// digest returns the SHA-256 of data in hexadecimal digits.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// writeResult signs a result and writes it.
func (j Job) writeResult(r Result, in Introduction, key ed25519.PrivateKey) error {
	r.Task, r.Job, r.Definition = in.Task, in.Job, in.Definition
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the result of %s: %w", j.Name, err)
	}
	return replace.JSON(filepath.Join(j.Out, resultFile), signed{
		Result: body, Signature: ed25519.Sign(key, append([]byte(signedFor), body...)),
	})
}

// ReadResult reads the result of a job from its Out. The error is fs.ErrNotExist if there is none, as of a job that was
// killed. It is ErrFalse for anything that the expected runner did not sign.
func ReadResult(outDir string, want Expected) (Result, error) {
	b, err := regular.Read(filepath.Join(outDir, resultFile), maxResult)
	if errors.Is(err, fs.ErrNotExist) {
		return Result{}, fs.ErrNotExist
	}
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrFalse, err)
	}
	var s signed
	if err := json.Unmarshal(b, &s); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrFalse, err)
	}
	if len(want.Key) != ed25519.PublicKeySize || !ed25519.Verify(want.Key, append([]byte(signedFor), s.Result...), s.Signature) {
		return Result{}, ErrFalse
	}
	var r Result
	if err := json.Unmarshal(s.Result, &r); err != nil {
		return Result{}, fmt.Errorf("read the result of %s: %w", want.Job, err)
	}
	if r.Task != want.Task || r.Job != want.Job || r.Definition != want.Definition {
		return Result{}, fmt.Errorf("%w: it is about %s of %s", ErrFalse, r.Job, r.Task)
	}
	for i, step := range r.Steps {
		if !isStepName(step.Name) {
			return Result{}, fault.New(fault.Failed, "the result of %s names a check %q", want.Job, step.Name)
		}
		r.Steps[i].Log = filepath.Join(outDir, step.Name+".log")
	}
	return r, nil
}
