package lm

import (
	"slices"

	"plumb/lm/kernel"
)

// scheduler draws the replies of many requests with one model: each step is one pass over the weights for one token of every
// reply that goes on, and beside them for some tokens of the texts that are still to be read. Requests enter and leave
// between steps (continuous batching: Yu et al. 2022, Orca). It is for one goroutine.
//
// Texts that have to be read share a step's tokens equally, so that a long prompt holds up neither the replies that are
// being drawn nor short prompts. The requests stand in the order in which they came. Where keys and values lack room, what
// the latest have read is forgotten and read anew later; that changes when a reply is ready, not what it says.
type scheduler struct {
	m      *Model
	limits limits
	pages  *pages
	cache  cache
	reader *reader
	active []*request
	turn   int // which text is first to get the tokens that are left over

	// of one step
	reading []*sequence
	runs    []run
	taken   []*sequence
	owners  []owner // of taken
	drawing []owner
	hidden  []float32 // rows×D
	logits  []float32 // rows×V
	choose  func(i int)
}

// owner is what a sequence belongs to: a reply, or without one the request's prompt.
type owner struct {
	request *request
	reply   *reply
}

// limits bound a scheduler.
type limits struct {
	exact   bool
	replies int // that are drawn at once
	keys    int // bytes of keys and values
	cache   int // bytes of them that texts kept for later may take
}

const (
	readAlone  = 128 // tokens of texts in a step in which nothing is drawn; a step is also how long a cancelled request may go on
	readBeside = 64  // tokens of a step otherwise, the drawn ones included
	readLeast  = 16  // tokens of texts in any step
)

func (m *Model) newScheduler(ad *Adapter, l limits) *scheduler {
	b := &scheduler{m: m, limits: l}
	b.choose = func(i int) { b.drawing[i].reply.choose() }
	b.reset(ad)
	return b
}

// reset begins with nothing read.
func (b *scheduler) reset(ad *Adapter) {
	b.pages = newPages(b.m, b.limits.exact, b.limits.keys)
	b.cache = cache{pages: b.pages, limit: min(b.limits.cache/b.pages.pageBytes(), b.pages.limit-1)}
	b.pages.evict = b.cache.evict
	b.reader = b.m.newReader(ad, b.pages)
}

func (b *scheduler) close() { b.reader.close() }

// busy tells whether there is anything to do.
func (b *scheduler) busy() bool { return len(b.active) > 0 }

// replies is how many are being drawn.
func (b *scheduler) replies() (n int) {
	for _, r := range b.active {
		n += len(r.live)
	}
	return n
}

// fits tells whether there is room for a request now.
func (b *scheduler) fits(r *request) bool {
	return !b.busy() || b.replies()+len(r.live) <= b.limits.replies && pagesFor(len(r.prompt))+len(r.live) <= b.pages.spare()
}

// enter takes a request on, and what is known of its prompt from the cache.
func (b *scheduler) enter(r *request) {
	b.active = append(b.active, r)
	e, n := b.cache.find(r.prompt)
	switch {
	case n == len(r.prompt) && n == e.past.n && e.hidden != nil:
		r.hidden = e.hidden
	case n == len(r.prompt):
		n-- // the last token is read for its hidden state
	}
	if n > 0 {
		b.pages.fork(&r.read.past, e.past, n)
	}
	if r.read.past.n < len(r.prompt) {
		r.hidden = nil
	}
	r.read.rest = r.prompt[r.read.past.n:]
}

// step draws the next token of every reply whose text has been read, and reads some of the others.
func (b *scheduler) step() {
	b.dropCancelled()
	b.share()
	b.plan()
	b.hidden, b.drawing = b.hidden[:0], b.drawing[:0]
	if len(b.runs) > 0 {
		b.digest(b.reader.read(b.runs))
	}
	for _, r := range b.active {
		b.begin(r)
	}
	b.draw()
}

// dropCancelled lets requests go whose contexts have ended.
func (b *scheduler) dropCancelled() {
	going := b.active[:0]
	for _, r := range b.active {
		if err := r.ctx.Err(); err != nil {
			b.leave(r, err)
			continue
		}
		going = append(going, r)
	}
	clear(b.active[len(going):])
	b.active = going
}

// leave ends a request that was taken from the active ones.
func (b *scheduler) leave(r *request, err error) {
	for _, p := range r.live {
		b.endReply(r, p)
	}
	r.live = nil
	b.cache.add(r.prompt, r.read.past, r.hiddenOf(r.read.past.n))
	b.pages.drop(&r.read.past)
	r.left(err)
}

// hiddenOf returns the hidden state after n tokens of the prompt, nil if it is not known.
func (r *request) hiddenOf(n int) []float32 {
	if n < len(r.prompt) {
		return nil
	}
	return r.hidden
}

// endReply keeps what was read of a reply for the next turn.
func (b *scheduler) endReply(r *request, p *reply) {
	if p.read.past.n > len(r.prompt) && b.cache.limit > 0 {
		b.cache.add(r.whole(p), p.read.past, nil)
	}
	b.pages.drop(&p.read.past)
}

// share says how many tokens of each text are read in this step.
func (b *scheduler) share() {
	b.reading = b.reading[:0]
	drawing := 0
	add := func(s *sequence) {
		s.take = 0
		switch len(s.rest) {
		case 0:
		case 1:
			s.take = 1
			drawing++
		default:
			b.reading = append(b.reading, s)
		}
	}
	for i, r := range b.active {
		if add(&r.read); len(r.read.rest) > 0 {
			continue
		}
		for j, p := range r.live {
			if p.first == nil && len(p.text) > 0 && len(p.read.rest) == 0 {
				b.resume(i, j)
			}
			add(&p.read)
		}
	}
	if len(b.reading) == 0 {
		return
	}
	left := readAlone
	if drawing > 0 {
		left = max(readLeast, readBeside-drawing)
	}
	b.turn++
	for part := max(1, left/len(b.reading)); left > 0 && part > 0; part = left {
		before := left
		for k := range b.reading {
			s := b.reading[(b.turn+k)%len(b.reading)]
			n := min(part, left, len(s.rest)-s.take)
			s.take += n
			left -= n
		}
		if left == before {
			return
		}
	}
}

// resume sets a reply of which nothing is held to go on from what is known of its text: the prompt, or what the cache has.
// Without room it has to wait.
func (b *scheduler) resume(i, j int) {
	r := b.active[i]
	p := r.live[j]
	if !b.makeRoom(i, j, pagesFor(len(r.prompt)+len(p.text)+1)-len(r.prompt)/tile) {
		return
	}
	from, n := r.read.past, r.read.past.n
	if b.cache.limit > 0 && len(p.text) > 1 {
		whole := r.whole(p)
		if e, known := b.cache.find(whole[:len(whole)-1]); known > n {
			from, n = e.past, known
		}
	}
	b.pages.fork(&p.read.past, from, n)
	if p.read.past.n < len(r.prompt) {
		b.pages.drop(&p.read.past)
		return
	}
	p.read.rest = p.text[p.read.past.n-len(r.prompt):]
}

// makeRoom makes so many pages free, at the cost of what comes after reply j of request i if it must.
func (b *scheduler) makeRoom(i, j, pages int) bool {
	if spare := b.pages.spare(); spare < pages && spare+b.freeable(i, j) < pages {
		return false // what it would cost would be in vain
	}
	for b.pages.spare() < pages {
		if !b.forgetAfter(i, j) {
			return false
		}
	}
	return true
}

// freeable is how many pages would be free without what comes after reply j of request i.
func (b *scheduler) freeable(i, j int) (n int) {
	held := map[*page]int{}
	count := func(s *sequence) {
		for _, g := range s.past.pages {
			held[g]++
		}
	}
	for k := i; k < len(b.active); k++ {
		live := b.active[k].live
		if k == i {
			live = live[min(j+1, len(live)):]
		} else {
			count(&b.active[k].read)
		}
		for _, p := range live {
			count(&p.read)
		}
	}
	for g, users := range held {
		if g.users-g.cached == users {
			n++
		}
	}
	return n
}

// forgetAfter forgets what the last one after reply j of request i has read; j is −1 for its prompt.
func (b *scheduler) forgetAfter(i, j int) bool {
	for k := len(b.active) - 1; k >= i; k-- {
		r, least := b.active[k], 0
		if k == i {
			least = j + 1
		}
		for l := len(r.live) - 1; l >= least; l-- {
			if b.forget(&r.live[l].read, nil) {
				return true
			}
		}
		if k > i && b.forget(&r.read, r.prompt) {
			return true
		}
	}
	return false
}

func (b *scheduler) forget(s *sequence, rest []int32) bool {
	if len(s.past.pages) == 0 {
		return false
	}
	b.pages.drop(&s.past)
	s.rest, s.take = rest, 0
	return true
}

// plan lists the runs of this step, those of one request next to each other.
func (b *scheduler) plan() {
	b.runs, b.taken, b.owners = b.runs[:0], b.taken[:0], b.owners[:0]
	for i, r := range b.active {
		b.planOne(i, -1, &r.read, owner{r, nil})
		for j, p := range r.live {
			b.planOne(i, j, &p.read, owner{r, p})
		}
	}
}

func (b *scheduler) planOne(i, j int, s *sequence, o owner) {
	if s.take == 0 {
		return
	}
	if need := pagesFor(s.past.n+s.take) - len(s.past.pages); need > 0 && !(b.makeRoom(i, j, need) && b.pages.grow(&s.past, s.take)) {
		var rest []int32
		if o.reply == nil {
			rest = o.request.prompt
		}
		b.forget(s, rest)
		return
	}
	b.runs = append(b.runs, run{s.rest[:s.take], &s.past})
	b.taken, b.owners = append(b.taken, s), append(b.owners, o)
}

// digest takes note of what was read, and puts replies whose text is read down for a token.
func (b *scheduler) digest(hidden []float32) {
	d := b.m.config.Dim
	for i, s := range b.taken {
		s.rest, s.take = s.rest[s.take:], 0
		if len(s.rest) > 0 {
			continue
		}
		o, state := b.owners[i], hidden[i*d:(i+1)*d]
		if o.reply != nil {
			row := b.row(state)
			b.want(o.request, o.reply, row)
			for _, p := range o.request.live {
				if p.first == o.reply {
					b.follow(o.request, p)
					b.want(o.request, p, row)
				}
			}
			continue
		}
		o.request.hidden = slices.Clone(state)
		b.cache.add(o.request.prompt, s.past, o.request.hidden)
	}
}

// begin puts replies without a text down for their first token, once their prompt is read.
func (b *scheduler) begin(r *request) {
	row := -1
	for _, p := range r.live {
		if len(p.text) > 0 || len(r.read.rest) > 0 {
			continue
		}
		if row < 0 {
			row = b.row(r.hidden)
		}
		b.want(r, p, row)
	}
}

// row keeps a hidden state from which tokens are drawn.
func (b *scheduler) row(hidden []float32) int {
	b.hidden = append(b.hidden, hidden...)
	return len(b.hidden)/b.m.config.Dim - 1
}

func (b *scheduler) want(r *request, p *reply, row int) {
	p.row = row
	b.drawing = append(b.drawing, owner{r, p})
}

// follow gives a reply what was read for the one that begins alike.
func (b *scheduler) follow(r *request, p *reply) {
	b.pages.fork(&p.read.past, p.first.read.past, p.first.read.past.n)
	if p.read.past.n < len(r.prompt) {
		b.pages.drop(&p.read.past)
	}
	p.first = nil
}

// draw draws a token of every reply that is down for one, passes them on and lets go of what ends.
func (b *scheduler) draw() {
	if len(b.drawing) == 0 {
		return
	}
	vocab := b.m.config.Vocab
	rows := len(b.hidden) / b.m.config.Dim
	b.logits = grown(b.logits, rows*vocab)
	b.reader.logits(b.logits, b.hidden, rows)
	for _, o := range b.drawing {
		o.reply.logits = b.logits[o.reply.row*vocab:][:vocab]
	}
	kernel.Parallel(len(b.drawing), b.choose)
	for _, o := range b.drawing {
		b.pass(o.request, o.reply)
	}
	going := b.active[:0]
	for _, r := range b.active {
		if len(r.live) > 0 {
			going = append(going, r)
			continue
		}
		b.leave(r, r.err)
	}
	clear(b.active[len(going):])
	b.active = going
}

// pass passes the drawn token of a reply on. A reply whose token cannot be drawn ends its request.
func (b *scheduler) pass(r *request, p *reply) {
	if r.err != nil {
		return
	}
	if r.err = p.err; r.err == nil && r.deliver(p, b.m.tokenizer.IsEnd(p.drawn.ID)) {
		if p.read.past.n > 0 {
			p.read.rest = p.text[p.read.past.n-len(r.prompt):]
		}
		return
	}
	gone := r.live
	if r.err == nil {
		at := slices.Index(r.live, p)
		gone = r.live[at : at+1 : at+1]
	}
	for _, q := range gone {
		b.endReply(r, q)
	}
	r.live = slices.DeleteFunc(r.live, func(q *reply) bool { return r.err != nil || q == p })
}
