package cast

import (
	"bytes"
	"compress/gzip"
)

// packer compresses into memory. Its methods have no errors, because a buffer takes everything.
type packer struct {
	out bytes.Buffer
	gz  *gzip.Writer
}

func newPacker() *packer {
	p := &packer{}
	p.gz, _ = gzip.NewWriterLevel(&p.out, gzip.BestSpeed) // the level is a valid one
	return p
}

func (p *packer) reset() {
	p.out.Reset()
	p.gz.Reset(&p.out)
}

func (p *packer) write(b []byte) { _, _ = p.gz.Write(b) }

// flush makes everything so far readable without what follows.
func (p *packer) flush() { _ = p.gz.Flush() }
func (p *packer) end()   { _ = p.gz.Close() }

func (p *packer) bytes() []byte { return p.out.Bytes() }
func (p *packer) len() int      { return p.out.Len() }
func (p *packer) drop()         { p.out.Reset() }
