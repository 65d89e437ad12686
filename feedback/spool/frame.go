package spool

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"

	"plumb/feedback"
)

// A segment is the magic and then frames:
//
//	length  uint32, little-endian   of the payload
//	sum     uint32, little-endian   CRC-32C of the length and the payload
//	payload
//
// A payload is one byte that says what it is and its JSON. JSON holds no byte below 0x20, while the last byte of a length
// up to maxPayload is below 0x05: no header can lie within a payload, so a reader that lost its place finds the next
// frame again and is never led into a text that somebody wrote.
const (
	magic      = "plspool1"
	headerSize = 8
	minPayload = 3
	maxPayload = feedback.MaxGeneration + 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends the frame of payload to b.
func appendFrame(b, payload []byte) []byte {
	var header [headerSize]byte
	binary.LittleEndian.PutUint32(header[:4], uint32(len(payload)))
	binary.LittleEndian.PutUint32(header[4:], checksum(header[:4], payload))
	return append(append(b, header[:]...), payload...)
}

func checksum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, length), castagnoli, payload)
}

// scanFrames calls each for every whole frame in the bytes [from, size) of r, in order; at is the frame's offset and n its
// length. It returns how many bytes belong to no frame. Memory is bounded by the largest frame that is there.
func scanFrames(r io.ReaderAt, from, size int64, each func(at int64, n int, payload []byte)) (skipped int64, err error) {
	for at := from; at < size; {
		payload, err := readFrame(r, at, size)
		if err != nil {
			return skipped, err
		}
		if payload != nil {
			each(at, headerSize+len(payload), payload)
			at += headerSize + int64(len(payload))
			continue
		}
		next, err := findFrame(r, at+1, size)
		if err != nil {
			return skipped, err
		}
		skipped += next - at
		at = next
	}
	return skipped, nil
}

// readFrame reads the frame at an offset; payload is nil where there is none.
func readFrame(r io.ReaderAt, at, size int64) (payload []byte, err error) {
	var header [headerSize]byte
	if size-at < headerSize+minPayload {
		return nil, nil
	}
	if _, err := r.ReadAt(header[:], at); err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(header[:4]))
	if !plausible(n, size-at) {
		return nil, nil
	}
	payload = make([]byte, n)
	if _, err := r.ReadAt(payload, at+headerSize); err != nil {
		return nil, err
	}
	if checksum(header[:4], payload) != binary.LittleEndian.Uint32(header[4:]) {
		return nil, nil
	}
	return payload, nil
}

func plausible(n, room int64) bool {
	return n >= minPayload && n <= maxPayload && n <= room-headerSize
}

// findFrame returns the offset of the first frame at or after from, or size where there is none.
func findFrame(r io.ReaderAt, from, size int64) (int64, error) {
	b := bufio.NewReaderSize(io.NewSectionReader(r, from, size-from), 64<<10)
	for at := from; ; at++ {
		header, err := b.Peek(headerSize)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return 0, err
		}
		if plausible(int64(binary.LittleEndian.Uint32(header[:4])), size-at) {
			payload, err := readFrame(r, at, size)
			if payload != nil || err != nil {
				return at, err
			}
		}
		if _, err := b.Discard(1); err != nil {
			return 0, err
		}
	}
}
