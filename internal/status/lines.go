package status

import "bytes"

// lines cuts a stream into lines of at most max bytes, over any number of reads.
type lines struct {
	max      int
	skipping bool // within a line that is too long, or whose begin was not seen
}

// cut hands each complete line in data to yield, with its place and without its end, and tells how many bytes
// are done with and how many lines were found to be too long. What is not consumed begins a line that has no end yet.
func (l *lines) cut(data []byte, yield func(line []byte, at int)) (consumed, long int) {
	for {
		i := bytes.IndexByte(data[consumed:], '\n')
		switch {
		case i < 0 && l.skipping:
			return len(data), long
		case i < 0 && len(data)-consumed > l.max && consumed == 0:
			// Only where it stands alone, so that the offset before it has been taken.
			l.skipping = true
			return len(data), long + 1
		case i < 0:
			return consumed, long
		case l.skipping:
			l.skipping = false
		case i > l.max:
			long++
		default:
			yield(data[consumed:consumed+i], consumed)
		}
		consumed += i + 1
	}
}
