package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"plumb/chat"
)

type header struct {
	Fingerprint string  `json:"fingerprint"`
	Step        int     `json:"step"`
	Loss        float64 `json:"loss"`
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	into := header{}
	if ok, err := Load(dir, "f", &into); ok || err != nil {
		t.Errorf("an empty folder: %v, %v", ok, err)
	}
	want := header{"f", 3, 1. / 3}
	params, nothing, long := []float32{1, -2.5, float32(math.Inf(-1))}, []float32(nil), make([]float32, 1<<15+1)
	long[len(long)-1] = 7
	if err := Save(dir, want, params, nothing, long); err != nil {
		t.Fatal(err)
	}
	a, b, c := make([]float32, 3), []float32{}, make([]float32, len(long))
	if ok, err := Load(dir, "f", &into, a, b, c); !ok || err != nil || into != want || !slices.Equal(a, params) || !slices.Equal(c, long) {
		t.Errorf("%v %v %+v", ok, err, into)
	}
	for name, load := range map[string]func() (bool, error){
		"another training": func() (bool, error) { return Load(dir, "g", &into, a, c) },
		"too few values":   func() (bool, error) { return Load(dir, "f", &into, a) },
		"too many values":  func() (bool, error) { return Load(dir, "f", &into, a, c, a) },
		"another header":   func() (bool, error) { return Load(dir, "f", &[]int{}, a, c) },
	} {
		a[0] = 9
		if ok, err := load(); ok || chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), "remove it to begin anew") || a[0] != 9 {
			t.Errorf("%s: %v, %v, first value %v", name, ok, err, a[0])
		}
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	if err := Save(dir, header{Fingerprint: "f"}, []float32{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at int, content []byte) {
		if err := os.WriteFile(Path(dir), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, err := Load(dir, "f", &header{}, make([]float32, 3)); ok || err == nil {
			t.Errorf("%s at %d was taken", what, at)
		}
	}
	for at := range whole {
		try("cut", at, whole[:at])
		flipped := slices.Clone(whole)
		flipped[at] ^= 16
		try("flipped", at, flipped)
	}
	try("doubled", 0, append(slices.Clone(whole), whole...))
}

func TestFingerprint(t *testing.T) {
	of := func(config any, start []float32, inputs ...string) string {
		s, err := Fingerprint(config, start, inputs...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all := []string{of(1, nil), of(2, nil), of(1, []float32{0}), of(1, []float32{1}), of(1, nil, "a"), of(1, nil, "b"), of(1, nil, "a", "b")}
	for i, a := range all {
		if slices.Index(all, a) != i {
			t.Errorf("fingerprint %d is that of another", i)
		}
	}
	if first := of(header{Step: 1}, []float32{3}, "x"); first != of(header{Step: 1}, []float32{3}, "x") {
		t.Error("not reproducible")
	}
	if _, err := Fingerprint(math.NaN(), nil); err == nil {
		t.Error("a configuration that has no JSON was taken")
	}
}

func FuzzLoad(f *testing.F) {
	dir := f.TempDir()
	if err := Save(dir, header{Fingerprint: "f", Step: 1}, []float32{1, 2}); err != nil {
		f.Fatal(err)
	}
	whole, _ := os.ReadFile(Path(dir))
	f.Add(whole[:len(whole)-sha256.Size])
	f.Add([]byte(magic))
	f.Add([]byte(magic + "\xff\xff\xff\xff{}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		// The checksum is made right, so that what comes after it is reached.
		dir := t.TempDir()
		sum := sha256.Sum256(body)
		if err := os.WriteFile(Path(dir), bytes.Join([][]byte{body, sum[:]}, nil), 0o600); err != nil {
			t.Fatal(err)
		}
		if ok, err := Load(dir, "f", &header{}, make([]float32, 2)); ok == (err != nil) {
			t.Errorf("loaded %v, %v", ok, err)
		}
	})
}
