package rm

import "math"

// view is what the surface features of one reply are computed from.
type view struct {
	reply, prompt *scan
	count         func(class) float64 // words and word pairs of the reply that are of a class
	start         class               // classes of the reply's first two words
	distinct      int                 // different words among the first 100
	repeated      int                 // word pairs seen before in the reply
	common        int                 // content words of the reply that the prompt has too
	content       int                 // content words of the reply
	covered       int                 // different content words of the prompt that the reply has
	promptContent int                 // different content words of the prompt
	copied        int                 // word pairs of the reply that the prompt has too
	top           int                 // how often the most frequent content word occurs
}

// surface is a named feature of how a reply is written.
type surface struct {
	name  string
	value func(v *view) float64
}

func log1p(n int) float64 { return math.Log1p(float64(n)) }

// share returns a/b, and 0 where b is 0.
func share(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (v *view) words() int { return len(v.reply.words) }

// rate returns the uses of a class a word, damped so that a short text does not stand out.
func (v *view) rate(c class) float64 { return v.count(c) / float64(v.words()+20) }

// surfaces lists the surface features in the order in which they are columns. A change of any of them changes what a
// fitted model means: raise lexicalVersion with it.
var surfaces = []surface{
	{"log_words", func(v *view) float64 { return log1p(v.words()) }},
	{"log_words_squared", func(v *view) float64 { d := log1p(v.words()) - 4.5; return d * d }},
	{"word_length", func(v *view) float64 { return share(v.reply.wordLetters, v.words()) }},
	{"long_words", func(v *view) float64 { return share(v.reply.longWords, v.words()) }},
	{"log_sentences", func(v *view) float64 { return log1p(v.reply.sentences) }},
	{"sentence_length", func(v *view) float64 { return math.Log1p(share(v.words(), v.reply.sentences)) }},
	{"log_lines", func(v *view) float64 { return log1p(v.reply.lines) }},
	{"log_paragraphs", func(v *view) float64 { return log1p(v.reply.blankLines) }},
	{"line_length", func(v *view) float64 { return math.Log1p(share(v.words(), v.reply.lines)) }},
	{"list_items", func(v *view) float64 { return log1p(v.reply.bullets + v.reply.numbered) }},
	{"numbered_items", func(v *view) float64 { return log1p(v.reply.numbered) }},
	{"has_list", func(v *view) float64 { return flag(v.reply.bullets+v.reply.numbered >= 2) }},
	{"opens_with_list", func(v *view) float64 { return flag(v.reply.opensWithBullet) }},
	{"headings", func(v *view) float64 { return log1p(v.reply.headings) }},
	{"bold", func(v *view) float64 { return log1p(v.reply.bolds) }},
	{"code", func(v *view) float64 { return log1p(v.reply.fences) }},
	{"symbols", func(v *view) float64 { return math.Sqrt(share(v.reply.symbols, v.reply.bytes)) }},
	{"questions", func(v *view) float64 { return log1p(v.reply.questions) }},
	{"exclamations", func(v *view) float64 { return log1p(v.reply.exclamations) }},
	{"has_question", func(v *view) float64 { return flag(v.reply.questions > 0) }},
	{"has_exclamation", func(v *view) float64 { return flag(v.reply.exclamations > 0) }},
	{"ends_with_question", func(v *view) float64 { return flag(v.reply.lastMark == '?') }},
	{"ends_complete", func(v *view) float64 { return flag(closes(v.reply.lastMark)) }},
	{"digits", func(v *view) float64 { return share(v.reply.digits, v.reply.bytes) }},
	{"upper_case", func(v *view) float64 { return share(v.reply.upper, v.reply.letters) }},
	{"all_caps", func(v *view) float64 { return log1p(v.reply.caps) }},
	{"emoji", func(v *view) float64 { return log1p(v.reply.wide) }},
	{"commas", func(v *view) float64 { return share(v.reply.commas, v.words()) }},
	{"colons", func(v *view) float64 { return log1p(v.reply.colons) }},
	{"parentheses", func(v *view) float64 { return log1p(v.reply.parentheses) }},
	{"quotes", func(v *view) float64 { return log1p(v.reply.quotes) }},
	{"links", func(v *view) float64 { return log1p(v.reply.urls) }},
	{"variety", func(v *view) float64 { return share(v.distinct, min(v.words(), 100)) }},
	{"repetition", func(v *view) float64 { return share(v.repeated, v.words()) }},
	{"top_word", func(v *view) float64 { return share(v.top, v.content+10) }},
	{"prompt_overlap", func(v *view) float64 { return share(v.common, v.content) }},
	{"prompt_coverage", func(v *view) float64 { return share(v.covered, v.promptContent) }},
	{"prompt_copied", func(v *view) float64 { return share(v.copied, v.words()) }},
	{"first_line", func(v *view) float64 { return log1p(v.reply.firstLine) }},
	{"intro_line", func(v *view) float64 { return flag(v.reply.lines > 1 && v.reply.firstLineEndsInMark) }},
	{"stop_words", func(v *view) float64 { return share(int(v.count(stop)), v.words()) }},
	{"hedges", func(v *view) float64 { return v.rate(hedge) }},
	{"politeness", func(v *view) float64 { return math.Log1p(v.count(polite)) }},
	{"apologies", func(v *view) float64 { return math.Log1p(v.count(apology)) }},
	{"refusals", func(v *view) float64 { return math.Log1p(v.count(refusal)) }},
	{"flattery", func(v *view) float64 { return math.Log1p(v.count(flattery)) }},
	{"first_person", func(v *view) float64 { return v.rate(firstPerson) }},
	{"second_person", func(v *view) float64 { return v.rate(secondPerson) }},
	{"examples", func(v *view) float64 { return math.Log1p(v.count(example)) }},
	{"contrast", func(v *view) float64 { return v.rate(contrast) }},
	{"reasons", func(v *view) float64 { return v.rate(reason) }},
	{"sequence", func(v *view) float64 { return v.rate(sequence) }},
	{"conclusion", func(v *view) float64 { return math.Log1p(v.count(conclusion)) }},
	{"emphasis", func(v *view) float64 { return v.rate(emphasis) }},
	{"negation", func(v *view) float64 { return v.rate(negation) }},
	{"modals", func(v *view) float64 { return v.rate(modal) }},
	{"offers", func(v *view) float64 { return math.Log1p(v.count(offer)) }},
	{"judge_talk", func(v *view) float64 { return v.rate(judge) }},
	{"opens_obliging", func(v *view) float64 { return flag(v.start&opener != 0) }},
	{"opens_with_i", func(v *view) float64 { return flag(v.start&firstPerson != 0) }},
	{"opens_sorry", func(v *view) float64 { return flag(v.start&apology != 0) }},
	{"empty", func(v *view) float64 { return flag(v.words() == 0) }},
	{"length_by_prompt_length", func(v *view) float64 { return (log1p(v.words()) - 4) * (log1p(len(v.prompt.words)) - 3) }},
	{"length_by_question", func(v *view) float64 { return (log1p(v.words()) - 4) * flag(v.prompt.questions > 0) }},
	{"list_by_question", func(v *view) float64 { return log1p(v.reply.bullets+v.reply.numbered) * flag(v.prompt.questions > 0) }},
}

func closes(c byte) bool {
	switch c {
	case '.', '!', '?', '"', ')', '`', ']', '}':
		return true
	}
	return c >= 0x80
}
