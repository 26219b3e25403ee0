package status

import "bytes"

// lines cuts a stream into lines of at most max bytes, over any number of reads.
type lines struct {
	max      int
	skipping bool // within a line that is too long
}

// cut passes each complete line in data to yield, with its offset and without its newline. It returns how many bytes were
// consumed and how many lines were too long. The bytes not consumed are the start of an incomplete line.
func (l *lines) cut(data []byte, yield func(line []byte, at int)) (consumed, long int) {
	for {
		i := bytes.IndexByte(data[consumed:], '\n')
		switch {
		case i < 0 && l.skipping:
			return len(data), long
		case i < 0 && len(data)-consumed > l.max && consumed == 0:
			// Only at the start of data, so that the offset before it has been stored.
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
