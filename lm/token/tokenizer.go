package token

import "fmt"

// Tokenizer maps text to the ids of one model and back. It is read-only after New and safe for concurrent use.
type Tokenizer struct {
	BOS    int32 // begins a text; −1 if the file names none
	EOS    int32 // ends a text; −1 if the file names none
	EOT    int32 // ends a turn of a chat; −1 if the file has none
	AddBOS bool  // whether plain text is to begin with BOS. Encode never adds it: chat templates write it themselves

	types   []Type
	pieces  []byte   // what each token stands for, one after another
	offsets []uint32 // token i is pieces[offsets[i]:offsets[i+1]]
	ends    map[int32]bool
	always  finder // user-defined tokens, found in every text
	marks   finder // these, and control and unknown tokens
	kind    encoder
}

// encoder turns text without special tokens into ids. first says that a text begins here, or that a special token
// stands before.
type encoder interface {
	encode(dst []int32, text string, first bool) []int32
	decode(dst []byte, token string, t Type) []byte // appends what a token that is not special stands for
	found(token string) string                      // the text in which a user-defined token is found
	prefixed() bool                                 // whether encode puts a space before the first text
}

// New builds the tokenizer that the keys describe. Files whose tokenizer is of another kind or whose keys contradict
// each other are refused with an error that names the key. Cost: linear in the vocabulary, about 50 ms for 50,000 tokens.
func New(keys Keys) (*Tokenizer, error) {
	t, err := build(keys)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	return t, nil
}

func build(keys Keys) (*Tokenizer, error) {
	v, err := readVocabulary(keys)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{types: v.types}
	model, _ := keys.String(keyModel)
	bos, eos := int32(-1), int32(-1)
	switch model {
	case "gpt2":
		b, err := newBPE(keys, v)
		if err != nil {
			return nil, err
		}
		t.kind, t.AddBOS = b, b.pre.addBOS
	case "llama":
		s, err := newSPM(keys, v)
		if err != nil {
			return nil, err
		}
		t.kind, t.AddBOS = s, true
		bos, eos = 1, 2 // SentencePiece's own order, where a file does not say
	default:
		return nil, fmt.Errorf("key %s is %q; gpt2 and llama are supported", keyModel, model)
	}
	if add, ok := keys.Bool(keyAddBOS); ok {
		t.AddBOS = add
	}
	if err := t.readEnds(keys, v, bos, eos); err != nil {
		return nil, err
	}
	if t.BOS < 0 {
		t.AddBOS = false
	}
	return t, t.readPieces(v)
}

// readPieces decodes every token once and collects the special ones.
func (t *Tokenizer) readPieces(v *vocabulary) error {
	t.offsets = make([]uint32, len(v.tokens)+1)
	for i, text := range v.tokens {
		id := int32(i)
		switch {
		case v.types[i] == UserDefined:
			t.always.add(t.kind.found(text), id)
			t.marks.add(t.kind.found(text), id)
			t.pieces = append(t.pieces, text...)
		case v.special(id):
			t.marks.add(text, id)
			t.pieces = append(t.pieces, text...)
		default:
			t.pieces = t.kind.decode(t.pieces, text, v.types[i])
		}
		if len(t.pieces) > maxPieces {
			return fmt.Errorf("key %s: more than %d bytes of text", keyTokens, maxPieces)
		}
		t.offsets[i+1] = uint32(len(t.pieces))
	}
	return nil
}

// maxPieces bounds the text of a whole vocabulary, so that offsets fit 32 bits. The largest known ones have 4 MB.
const maxPieces = 1 << 30

// Encode returns the ids of text. With special set, the texts of control tokens such as <|im_end|> become those tokens;
// without, they are text like any other, which is what text from users must be. User-defined tokens are always found.
// Bytes that the vocabulary lacks become its unknown token where the kind has one and are left out otherwise.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	ids := make([]int32, 0, len(text)/3+4)
	find := &t.always
	if special {
		find = &t.marks
	}
	first := true
	for text != "" {
		id, start, end := find.find(text)
		if id < 0 {
			return t.kind.encode(ids, text, first)
		}
		if start > 0 {
			ids = t.kind.encode(ids, text[:start], first)
		}
		ids = append(ids, id)
		text, first = text[end:], true
	}
	return ids
}

// Decode is the inverse of Encode: for SentencePiece vocabularies it drops the space that Encode puts before a text.
// Special tokens are written out. For ids that continue a text use Bytes or Stream.
func (t *Tokenizer) Decode(ids []int32) string {
	text := t.Bytes(ids)
	if len(ids) > 0 && t.kind.prefixed() && len(text) > 0 && text[0] == ' ' && !t.isSpecial(ids[0]) {
		text = text[1:]
	}
	return string(text)
}

func (t *Tokenizer) isSpecial(id int32) bool {
	if id < 0 || int(id) >= len(t.types) {
		return false
	}
	switch t.types[id] {
	case Control, UserDefined, Unknown:
		return true
	}
	return false
}

// Bytes returns the pieces of ids joined. They need not be whole characters.
func (t *Tokenizer) Bytes(ids []int32) []byte {
	text := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		text = append(text, t.Piece(id)...)
	}
	return text
}

// Piece returns the bytes a token stands for, and nil for an id outside the vocabulary. They may be part of a character. The
// caller must not change them.
func (t *Tokenizer) Piece(id int32) []byte {
	if id < 0 || int(id) >= len(t.types) {
		return nil
	}
	return t.pieces[t.offsets[id]:t.offsets[id+1]:t.offsets[id+1]]
}

// Type returns the type of a token, and 0 for an id outside the vocabulary.
func (t *Tokenizer) Type(id int32) Type {
	if id < 0 || int(id) >= len(t.types) {
		return 0
	}
	return t.types[id]
}

// Size returns the number of tokens; ids are 0 to Size−1.
func (t *Tokenizer) Size() int { return len(t.types) }

// IsEnd reports whether the model says with this token that it has finished: end of text, of turn or of message.
func (t *Tokenizer) IsEnd(id int32) bool { return t.ends[id] }
