package rm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"plumb/chat"
)

// format is the version of the file: safetensors, whose metadata holds a [Meta] as JSON under "plumb.rm".
//
//	dense.mean, dense.scale  F64 [dense]           standardisation
//	vocabulary               U32 [words]           hashed columns in use, ascending
//	idf                      F32 [words]
//	heads.dense              F64 [heads, dense]
//	heads.sparse             F32 [words, heads]
//	ood.precision            F64 [dense, dense]    or [dense, 1], its diagonal, of more than 512 columns
//	length.x, length.y       F64 [knots]           the length trend
const format = 1

const metaKey = "plumb.rm"

// sealed returns the model as its file says it: encoded and decoded once, so that what scores now is what will after a
// restart, and with its version.
func (m *Model) sealed() (*Model, error) {
	b, err := m.encode()
	if err != nil {
		return nil, err
	}
	return Decode(b, m.features)
}

// Bytes returns the model's file. The caller must not change it.
func (m *Model) Bytes() []byte { return m.bytes }

// Save writes the model's file at path, whole or not at all.
func (m *Model) Save(path string) error {
	if err := writeWhole(path, m.bytes); err != nil {
		return fmt.Errorf("save reward model: %w", err)
	}
	return nil
}

func writeWhole(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Open reads the model at path. Features nil stands for those the file names, if they need no server.
func Open(path string, features Features) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open reward model: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("open reward model %s: %d bytes; want at most %d", path, info.Size(), maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open reward model: %w", err)
	}
	m, err := Decode(b, features)
	if err != nil {
		return nil, fmt.Errorf("open reward model %s: %w", path, err)
	}
	return m, nil
}

// maxFile is the largest model that is read, the same as a registry takes for a blob.
const maxFile = 64 << 20

// tensor is one entry of a safetensors header.
type tensor struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// section is a tensor's place in a model: what it must be, and where it goes.
type section struct {
	name  string
	shape []int
	f64   *[]float64
	f32   *[]float32
	u32   *[]uint32
}

func (s *section) dtype() (string, int) {
	switch {
	case s.f64 != nil:
		return "F64", 8
	case s.f32 != nil:
		return "F32", 4
	}
	return "U32", 4
}

func (m *Model) sections(words, knots int) []section {
	nd := len(m.meta.Features.Dense)
	return []section{
		{name: "dense.mean", shape: []int{nd}, f64: &m.space.mean},
		{name: "dense.scale", shape: []int{nd}, f64: &m.space.scale},
		{name: "heads.dense", shape: []int{m.heads, nd}, f64: &m.dense},
		{name: "length.x", shape: []int{knots}, f64: &m.trend.x},
		{name: "length.y", shape: []int{knots}, f64: &m.trend.y},
		{name: "ood.precision", shape: []int{nd, precisionWidth(nd)}, f64: &m.outlier.precision},
		{name: "heads.sparse", shape: []int{words, m.heads}, f32: &m.sparse},
		{name: "idf", shape: []int{words}, f32: &m.space.idf},
		{name: "vocabulary", shape: []int{words}, u32: &m.space.vocab},
	}
}

func (m *Model) encode() ([]byte, error) {
	meta, err := json.Marshal(m.meta)
	if err != nil {
		return nil, fmt.Errorf("encode reward model: %w", err)
	}
	header := map[string]any{"__metadata__": map[string]string{metaKey: string(meta)}}
	sections := m.sections(len(m.space.vocab), len(m.trend.x))
	at := 0
	for _, s := range sections {
		dtype, size := s.dtype()
		n, _ := elements(s.shape)
		header[s.name] = tensor{dtype, s.shape, [2]int{at, at + n*size}}
		at += n * size
	}
	head, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encode reward model: %w", err)
	}
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(head)+at), uint64(len(head)))
	b = append(b, head...)
	for _, s := range sections {
		switch {
		case s.f64 != nil:
			for _, x := range *s.f64 {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
			}
		case s.f32 != nil:
			for _, x := range *s.f32 {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			}
		default:
			for _, x := range *s.u32 {
				b = binary.LittleEndian.AppendUint32(b, x)
			}
		}
	}
	return b, nil
}

// Decode reads a model from its file's bytes, which it keeps. A file that is damaged, not finite, or made for features other than
// those given is an error of kind Invalid; nothing is allocated that the bytes do not hold.
func Decode(b []byte, features Features) (*Model, error) {
	m, err := decode(b, features)
	if err != nil {
		return nil, &chat.Error{Kind: chat.Invalid, Msg: "decode reward model", Cause: err}
	}
	return m, nil
}

// Peek returns what the header of a model's file says, without reading the rest.
func Peek(b []byte) (Meta, error) {
	meta, _, _, err := readHeader(b)
	if err != nil {
		return Meta{}, &chat.Error{Kind: chat.Invalid, Msg: "decode reward model", Cause: err}
	}
	return meta, nil
}

func decode(b []byte, features Features) (*Model, error) {
	meta, header, data, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	if features == nil {
		if features, err = featuresOf(meta.Features); err != nil {
			return nil, err
		}
	}
	if spec := features.Spec(); spec.Hash() != meta.FeaturesHash || meta.Features.Hash() != meta.FeaturesHash {
		return nil, fmt.Errorf("the model was fitted on features %s version %d (hash %.12s…), but those at hand are %s version %d (hash %.12s…): fit it again",
			meta.Features.Name, meta.Features.Version, meta.FeaturesHash, spec.Name, spec.Version, spec.Hash())
	}
	m := &Model{features: features, meta: meta, heads: meta.Heads, space: &space{},
		outlier: &outlier{distance: meta.TypicalDist, unseen: meta.TypicalUnseen}, bytes: b}
	words, knots := header["vocabulary"].length(), header["length.x"].length()
	for _, s := range m.sections(words, knots) {
		if err := s.read(header, data); err != nil {
			return nil, err
		}
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	m.space.index(meta.Features.Sparse)
	sum := sha256.Sum256(b)
	m.version = hex.EncodeToString(sum[:])
	return m, nil
}

func (t tensor) length() int {
	if len(t.Shape) != 1 {
		return 0
	}
	return t.Shape[0]
}

// maxHeader bounds the JSON that is parsed; safetensors' own limit is 100 MB.
const maxHeader = 1 << 20

func readHeader(b []byte) (meta Meta, header map[string]tensor, data []byte, err error) {
	if len(b) < 8 {
		return meta, nil, nil, fmt.Errorf("%d bytes are no safetensors file", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > maxHeader || n > uint64(len(b)-8) {
		return meta, nil, nil, fmt.Errorf("no safetensors file: a header of %d bytes in a file of %d; want at most %d", n, len(b), maxHeader)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		return meta, nil, nil, fmt.Errorf("read header: %w", err)
	}
	var texts map[string]string
	if err := json.Unmarshal(raw["__metadata__"], &texts); err != nil || texts[metaKey] == "" {
		return meta, nil, nil, fmt.Errorf("the header has no metadata %q: this is no reward model", metaKey)
	}
	if err := json.Unmarshal([]byte(texts[metaKey]), &meta); err != nil {
		return meta, nil, nil, fmt.Errorf("read metadata: %w", err)
	}
	delete(raw, "__metadata__")
	header = make(map[string]tensor, len(raw))
	for name, text := range raw {
		var t tensor
		if err := json.Unmarshal(text, &t); err != nil {
			return meta, nil, nil, fmt.Errorf("read header of %.40q: %w", name, err)
		}
		header[name] = t
	}
	return meta, header, b[8+n:], meta.check()
}

func (m *Meta) check() error {
	switch {
	case m.Format != format:
		return fmt.Errorf("format %d; this program reads %d", m.Format, format)
	case m.Heads < 1 || m.Heads > 64:
		return fmt.Errorf("heads: got %d, want 1 … 64", m.Heads)
	case m.Features.Sparse < 0 || m.Features.Sparse > 1<<22:
		return fmt.Errorf("hashed columns: got %d, want 0 … %d", m.Features.Sparse, 1<<22)
	case !(m.Temperature > 0) || !(m.TypicalDist > 0) || !(m.TypicalUnseen >= 0):
		return fmt.Errorf("temperature %v, typical distance %v and share %v must be positive", m.Temperature, m.TypicalDist, m.TypicalUnseen)
	}
	return nil
}

// elements returns the product of a shape; ok is false if it is negative or too large for any file.
func elements(shape []int) (n int, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || d > maxFile || n > maxFile {
			return 0, false
		}
		n *= d
	}
	return n, n <= maxFile
}

func (s *section) read(header map[string]tensor, data []byte) error {
	t, ok := header[s.name]
	if !ok {
		return fmt.Errorf("tensor %s is missing", s.name)
	}
	dtype, size := s.dtype()
	if t.DType != dtype || !slices.Equal(t.Shape, s.shape) {
		return fmt.Errorf("tensor %s is %.8s %v; want %s %v", s.name, t.DType, t.Shape, dtype, s.shape)
	}
	n, ok := elements(s.shape)
	low, high := t.Offsets[0], t.Offsets[1]
	if !ok || low < 0 || high < low || high > len(data) || high-low != n*size {
		return fmt.Errorf("tensor %s: %v elements at bytes %d … %d of %d", s.name, s.shape, low, high, len(data))
	}
	b := data[low:high]
	switch {
	case s.f64 != nil:
		*s.f64 = make([]float64, n)
		for i := range n {
			(*s.f64)[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
		return finite(s.name, *s.f64)
	case s.f32 != nil:
		*s.f32 = make([]float32, n)
		for i := range n {
			(*s.f32)[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return finite(s.name, *s.f32)
	}
	*s.u32 = make([]uint32, n)
	for i := range n {
		(*s.u32)[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return nil
}

// largest bounds every number in a file, so that no product of two of them overflows.
const largest = 1e15

func finite[F float32 | float64](name string, x []F) error {
	for i, v := range x {
		if !(math.Abs(float64(v)) <= largest) {
			return fmt.Errorf("tensor %s[%d] is %v", name, i, v)
		}
	}
	return nil
}

// check looks at what the shapes do not say.
func (m *Model) check() error {
	for i, column := range m.space.vocab {
		if int64(column) >= int64(m.meta.Features.Sparse) || i > 0 && column <= m.space.vocab[i-1] {
			return fmt.Errorf("vocabulary[%d] = %d is out of order, or not below %d", i, column, m.meta.Features.Sparse)
		}
	}
	for i := range m.trend.x {
		if i > 0 && m.trend.x[i] <= m.trend.x[i-1] {
			return fmt.Errorf("length.x[%d] is out of order", i)
		}
	}
	return nil
}

// featuresOf makes the features that a spec names, where they need no server.
func featuresOf(s Spec) (Features, error) {
	if s.Name != "lexical" {
		return nil, fmt.Errorf("the model needs %s features (model %q), which must be given", s.Name, s.Model)
	}
	for bits := 10; bits <= 22; bits++ {
		if s.Sparse == 1<<bits {
			return NewLexical(bits), nil
		}
	}
	return nil, fmt.Errorf("lexical features with %d hashed columns; want a power of two, 1024 … %d", s.Sparse, 1<<22)
}
