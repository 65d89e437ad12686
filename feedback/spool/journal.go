package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"plumb/chat"
)

// place is where a frame lies. Segments are numbered from 1 and numbers are never used twice.
type place struct {
	Segment int64 `json:"segment"`
	Offset  int64 `json:"offset"`
	n       int   // length of the frame
}

// end is the offset behind the frame.
func (p place) end() int64 { return p.Offset + int64(p.n) }

// journal is the sequence of segments. append comes from one goroutine and replayed from another; read from any. Log sees
// to it that a place is not read after it was replayed.
type journal struct {
	mu          sync.RWMutex // covers segments, sealed and next
	folder      folder
	segmentSize int64
	most        int64      // bytes
	segments    []*segment // by number; the last one is written where sealed is false
	sealed      bool
	next        int64 // number of the next segment
	position    place // everything before it was replayed
	skipped     int64 // bytes that belong to no frame, found by scan
	bytes       atomic.Int64
}

type segment struct {
	number int64
	file   file
	size   int64 // up to the end of the last frame that was acknowledged
}

const suffix = ".spool"

func segmentName(number int64) string { return fmt.Sprintf("%016d%s", number, suffix) }

// openJournal opens the segments of a folder.
func openJournal(f folder, segmentSize, most int64) (*journal, error) {
	j := &journal{folder: f, segmentSize: segmentSize, most: most, sealed: true, next: 1}
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, "position") {
		if err := j.readPosition(); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	for _, name := range names {
		number, err := strconv.ParseInt(strings.TrimSuffix(name, suffix), 10, 64)
		if err != nil || segmentName(number) != name {
			if strings.HasPrefix(name, "position.tmp-") {
				_ = f.remove(name) // a crash left it
			}
			continue
		}
		if err := j.openSegment(number); err != nil {
			return nil, errors.Join(err, j.close())
		}
	}
	j.next = max(j.next, j.position.Segment+1)
	return j, nil
}

func (j *journal) readPosition() error {
	f, err := j.folder.open("position", false)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := json.NewDecoder(io.NewSectionReader(f, 0, 1<<10)).Decode(&j.position); err != nil {
		return fmt.Errorf("read position: %w", err)
	}
	return nil
}

func (j *journal) openSegment(number int64) error {
	f, err := j.folder.open(segmentName(number), false)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if err := checkMagic(f, info.Size()); err != nil {
		return errors.Join(fmt.Errorf("read %s: %w", segmentName(number), err), f.Close())
	}
	j.segments = append(j.segments, &segment{number, f, info.Size()})
	j.bytes.Add(info.Size())
	j.next = number + 1
	return nil
}

// checkMagic refuses a segment of another version of this format. One that is too short, or damaged, is read as far as it
// goes.
func checkMagic(f io.ReaderAt, size int64) error {
	var first [len(magic)]byte
	if size < int64(len(first)) {
		return nil
	}
	if _, err := f.ReadAt(first[:], 0); err != nil {
		return err
	}
	if got := string(first[:]); got != magic && strings.HasPrefix(got, magic[:len(magic)-1]) {
		return fmt.Errorf("its format is %q, this program knows %q: use a newer plumb", got, magic)
	}
	return nil
}

// scan calls each for every record that was not replayed, in order, and deletes segments that hold none.
func (j *journal) scan(each func(at place, payload []byte)) error {
	var keep []*segment
	for _, s := range j.segments {
		from, found := int64(len(magic)), 0
		if s.number == j.position.Segment {
			from = max(from, j.position.Offset)
		}
		if s.number >= j.position.Segment {
			skipped, err := scanFrames(s.file, from, s.size, func(at int64, n int, payload []byte) {
				found++
				each(place{s.number, at, n}, payload)
			})
			if err != nil {
				return fmt.Errorf("read %s: %w", segmentName(s.number), err)
			}
			j.skipped += skipped
		}
		if found > 0 {
			keep = append(keep, s)
		} else if err := j.drop(s); err != nil {
			return err
		}
	}
	j.segments = keep
	return nil
}

// append makes the payloads durable, all in one segment, and says where each lies. After an error none of them counts,
// and the next append begins a new segment: a file of which fsync has failed is not trusted again.
func (j *journal) append(payloads [][]byte) ([]place, error) {
	var b []byte
	lengths := make([]int, len(payloads))
	for i, p := range payloads {
		b = appendFrame(b, p)
		lengths[i] = headerSize + len(p)
	}
	if j.size()+int64(len(b)+len(magic)) > j.most {
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: fmt.Sprintf("spool is full: it has %d bytes and may have %d", j.size(), j.most)}
	}
	s, err := j.writable()
	if err == nil {
		err = s.write(b)
	}
	if err != nil {
		j.seal()
		return nil, &chat.Error{Kind: chat.Unavailable, Msg: "spool cannot be written", Cause: err}
	}
	places := make([]place, len(payloads))
	at := s.size - int64(len(b))
	for i, n := range lengths {
		places[i] = place{s.number, at, n}
		at += int64(n)
	}
	j.bytes.Add(int64(len(b)))
	return places, nil
}

// write appends b and makes it durable, or cuts off what it wrote of it.
func (s *segment) write(b []byte) error {
	_, err := s.file.WriteAt(b, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(err, s.file.Truncate(s.size))
	}
	s.size += int64(len(b))
	return nil
}

// seal lets the next append begin a new segment.
func (j *journal) seal() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sealed = true
}

// writable returns the segment to append to, a new one where the last is full or not trusted.
func (j *journal) writable() (*segment, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segments); !j.sealed && n > 0 && j.segments[n-1].size < j.segmentSize {
		return j.segments[n-1], nil
	}
	f, err := j.folder.open(segmentName(j.next), true)
	if errors.Is(err, os.ErrExist) { // an attempt before this one failed half-way
		err = j.folder.remove(segmentName(j.next))
		if err == nil {
			f, err = j.folder.open(segmentName(j.next), true)
		}
	}
	if err != nil {
		return nil, err
	}
	s := &segment{number: j.next, file: f}
	err = s.write([]byte(magic))
	if err == nil {
		err = j.folder.sync()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), j.folder.remove(segmentName(j.next)))
	}
	j.next++
	j.bytes.Add(s.size)
	j.segments, j.sealed = append(j.segments, s), false
	return s, nil
}

// read returns the payload at a place.
func (j *journal) read(at place) ([]byte, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	i, ok := slices.BinarySearchFunc(j.segments, at.Segment, func(s *segment, n int64) int { return int(s.number - n) })
	if !ok {
		return nil, fmt.Errorf("read spool: segment %d is gone", at.Segment)
	}
	payload, err := readFrame(j.segments[i].file, at.Offset, at.end())
	if err == nil && payload == nil {
		err = errors.New("the record is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s at %d: %w", segmentName(at.Segment), at.Offset, err)
	}
	return payload, nil
}

// replayed notes that everything up to and including at was replayed, and deletes the segments that hold nothing else:
// those before it and, where nothing is left, that of at too. That one has to be sealed then.
func (j *journal) replayed(at place, nothingLeft bool) error {
	j.position = place{Segment: at.Segment, Offset: at.end()}
	b, err := json.Marshal(j.position)
	if err == nil {
		err = j.folder.replace("position", b)
	}
	if err != nil {
		return fmt.Errorf("note position: %w", err)
	}
	j.mu.Lock()
	done := 0
	for done < len(j.segments) && (j.segments[done].number < at.Segment || nothingLeft && j.segments[done].number == at.Segment) {
		done++
	}
	old := j.segments[:done]
	j.segments = j.segments[done:]
	j.mu.Unlock()
	var errs []error
	for _, s := range old {
		errs = append(errs, j.drop(s))
	}
	return errors.Join(errs...)
}

// drop deletes a segment.
func (j *journal) drop(s *segment) error {
	j.bytes.Add(-s.size)
	return errors.Join(s.file.Close(), j.folder.remove(segmentName(s.number)))
}

func (j *journal) size() int64 { return j.bytes.Load() }

func (j *journal) close() error {
	var errs []error
	for _, s := range j.segments {
		errs = append(errs, s.file.Close())
	}
	j.segments = nil
	return errors.Join(errs...)
}
