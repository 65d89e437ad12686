package token

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// familyFixture is what Hugging Face's tokenizers made of texts: see testdata/make_families.py.
type familyFixture struct {
	Keys           keyMap
	Seed           string
	SpecialTexts   []string `json:"special_texts"`
	IDs            [][]int32
	Special, Plain []string // a digest of the ids of each hundred texts
}

// textParts are what texts are put together from.
type textParts struct {
	Lists    [][]string
	Ranges   [][2]int
	Repeated []string
}

// generator is a linear congruential generator, of which the high half is used.
type generator uint64

func (g *generator) below(n int) int {
	*g = *g*6364136223846793005 + 1442695040888963407
	return int(uint64(*g) >> 32 % uint64(n))
}

// text is the next text: words of many languages, code, numbers, blanks, control characters, emoji, accents, special tokens.
func (g *generator) text(p *textParts, special []string) string {
	var b strings.Builder
	for range 1 + g.below(14) {
		switch kind := g.below(len(p.Lists) + 3); kind - len(p.Lists) {
		case 0:
			b.WriteString(special[g.below(len(special))])
		case 1:
			r := p.Ranges[g.below(len(p.Ranges))]
			for range 1 + g.below(4) {
				b.WriteRune(rune(r[0] + g.below(r[1]-r[0]+1)))
			}
		case 2:
			unit := p.Repeated[g.below(len(p.Repeated))]
			b.WriteString(strings.Repeat(unit, 1+g.below(9)))
		default:
			words := p.Lists[kind]
			b.WriteString(words[g.below(len(words))])
			if g.below(2) == 0 {
				b.WriteByte(' ')
			}
		}
	}
	return b.String()
}

func readFamilies(t *testing.T, path string) (all map[string]familyFixture) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return all
}

// On 10,000 texts a family, the tokens are those of Hugging Face's tokenizers: pre-tokenizer, merges, normal form, special
// tokens taken as such and as text. The vocabularies here are cut; PLUMB_TEST_TOKENIZERS names a folder with the whole ones.
func TestFamiliesEqualHuggingFace(t *testing.T) {
	b, err := os.ReadFile("testdata/texts.json")
	if err != nil {
		t.Fatal(err)
	}
	var parts textParts
	if err := json.Unmarshal(b, &parts); err != nil {
		t.Fatal(err)
	}
	files := []string{"testdata/families.json.gz"}
	if folder := os.Getenv("PLUMB_TEST_TOKENIZERS"); folder != "" {
		whole, err := filepath.Glob(filepath.Join(folder, "*.json.gz"))
		if err != nil || len(whole) == 0 {
			t.Fatalf("no tokenizers in %s: %v", folder, err)
		}
		files = append(files, whole...)
	}
	for _, file := range files {
		for name, f := range readFamilies(t, file) {
			t.Run(filepath.Base(filepath.Dir(file))+"/"+name, func(t *testing.T) {
				t.Parallel()
				tokenizer := f.tokenizer(t, name)
				f.check(t, tokenizer, &parts)
			})
		}
	}
}

func (f familyFixture) tokenizer(t *testing.T, name string) *Tokenizer {
	t.Helper()
	if f.Keys != nil {
		return newTokenizer(t, f.Keys)
	}
	smollm, err := readSmolLM2Keys()
	if err != nil {
		t.Fatal(err)
	}
	return newTokenizer(t, smollm.with("pre", name))
}

func (f familyFixture) check(t *testing.T, tokenizer *Tokenizer, parts *textParts) {
	seed, err := strconv.ParseUint(f.Seed, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	g := generator(seed)
	wrong := 0
	for hundred := range f.Special {
		special, plain := sha256.New(), sha256.New()
		for i := range 100 {
			text := g.text(parts, f.SpecialTexts)
			ids := tokenizer.Encode(text, true)
			if k := 100*hundred + i; k < len(f.IDs) && !slices.Equal(ids, f.IDs[k]) {
				t.Errorf("Encode(%q) = %v, want %v", text, ids, f.IDs[k])
				wrong++
			}
			special.Write(packed(ids))
			plain.Write(packed(tokenizer.Encode(text, false)))
		}
		if got := hex.EncodeToString(special.Sum(nil)[:8]); got != f.Special[hundred] {
			t.Errorf("texts %d to %d: the digest of their tokens is %s, want %s", 100*hundred, 100*hundred+99, got, f.Special[hundred])
			wrong++
		}
		if got := hex.EncodeToString(plain.Sum(nil)[:8]); got != f.Plain[hundred] {
			t.Errorf("texts %d to %d: with special tokens as text the digest is %s, want %s", 100*hundred, 100*hundred+99, got, f.Plain[hundred])
			wrong++
		}
		if wrong > 10 {
			t.Fatal("and so on")
		}
	}
}

// packed is how ids enter a digest: their number, then they, 4 bytes each.
func packed(ids []int32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(ids)))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return b
}
