package token

// finder finds special tokens in text: at each place the longest one, from left to right, as Hugging Face does.
// It is a trie over bytes; the zero value finds nothing.
type finder struct {
	nodes []finderNode
	first [256]bool // bytes that a token begins with
}

type finderNode struct {
	next map[byte]int32
	id   int32 // token that ends here, or −1
}

func (f *finder) add(text string, id int32) {
	if text == "" {
		return
	}
	if len(f.nodes) == 0 {
		f.nodes = []finderNode{{id: -1}}
	}
	f.first[text[0]] = true
	at := int32(0)
	for i := range len(text) {
		next, ok := f.nodes[at].next[text[i]]
		if !ok {
			next = int32(len(f.nodes))
			f.nodes = append(f.nodes, finderNode{id: -1})
			if f.nodes[at].next == nil {
				f.nodes[at].next = make(map[byte]int32, 1)
			}
			f.nodes[at].next[text[i]] = next
		}
		at = next
	}
	f.nodes[at].id = id
}

// find returns the first special token in text: its id and where it begins and ends, or −1.
func (f *finder) find(text string) (id int32, start, end int) {
	if len(f.nodes) == 0 {
		return -1, 0, 0
	}
	for i := range len(text) {
		if !f.first[text[i]] {
			continue
		}
		if id, end := f.match(text[i:]); id >= 0 {
			return id, i, i + end
		}
	}
	return -1, 0, 0
}

// match returns the longest special token that text begins with and its length, or −1.
func (f *finder) match(text string) (id int32, length int) {
	id = -1
	at := int32(0)
	for i := range len(text) {
		next, ok := f.nodes[at].next[text[i]]
		if !ok {
			break
		}
		at = next
		if f.nodes[at].id >= 0 {
			id, length = f.nodes[at].id, i+1
		}
	}
	return id, length
}
