package rm

// class is a set of kinds of words; a word or a pair of words may be of several.
type class uint32

const (
	hedge class = 1 << iota
	polite
	apology
	refusal
	flattery
	firstPerson
	secondPerson
	example
	contrast
	reason
	sequence
	conclusion
	opener
	emphasis
	negation
	stop
	judge
	modal
	offer
)

// lexicon says which words and pairs of words belong to which class. They are few and frequent on purpose: what is rare
// is learned from the hashed words.
var lexicon = map[class][]string{
	hedge: {"maybe", "perhaps", "might", "possibly", "probably", "seems", "seem", "likely", "somewhat", "generally", "usually",
		"often", "typically", "may", "could", "roughly", "approximately", "appears", "i think", "i believe", "it depends", "not sure", "tend to"},
	polite: {"please", "thank", "thanks", "welcome", "glad", "happy to", "kindly", "appreciate", "pleasure", "thank you",
		"i hope", "hope this", "feel free", "best wishes", "warm regards"},
	apology:      {"sorry", "apologize", "apologise", "apologies", "unfortunately", "regret"},
	refusal:      {"cannot", "can't", "unable", "an ai", "language model", "not able", "not appropriate", "won't", "i'm not", "not possible", "illegal", "unethical"},
	flattery:     {"brilliant", "genius", "fantastic", "amazing", "wonderful", "excellent", "great question", "good question", "insightful", "incredible", "smart", "absolutely", "perfect", "wise", "love that"},
	firstPerson:  {"i", "my", "me", "i'm", "i'd", "i'll", "i've", "myself", "mine"},
	secondPerson: {"you", "your", "you're", "you'll", "you'd", "yours", "yourself", "you've"},
	example:      {"example", "examples", "instance", "e.g", "such as", "like this", "for example", "for instance", "imagine", "say"},
	contrast:     {"however", "but", "although", "though", "while", "whereas", "instead", "despite", "yet", "nevertheless", "on the"},
	reason:       {"because", "since", "therefore", "thus", "so", "hence", "due to", "as a", "reason", "reasons", "why"},
	sequence:     {"first", "second", "third", "firstly", "secondly", "next", "then", "finally", "lastly", "step", "steps", "after", "before"},
	conclusion:   {"overall", "summary", "conclusion", "conclude", "in short", "to sum", "ultimately", "in conclusion", "in summary"},
	opener:       {"sure", "certainly", "of course", "here is", "here are", "here's", "yes", "no", "okay", "ok", "well", "hello", "hi", "hey"},
	emphasis:     {"very", "really", "extremely", "definitely", "highly", "important", "essential", "crucial", "key", "never", "always", "must", "best"},
	negation:     {"not", "no", "don't", "doesn't", "isn't", "didn't", "aren't", "wasn't", "nothing", "none", "without", "never"},
	judge: {"score", "rating", "rate", "ignore", "instructions", "evaluator", "judge", "grade", "output a", "output b", "best answer", "ignore previous",
		"previous instructions", "highest score", "correct answer", "ai model", "system prompt", "10 10"},
	modal: {"should", "can", "will", "would", "shall", "need", "needs", "let's"},
	offer: {"let me", "would you", "do you", "shall i", "want me", "like to", "can help", "help you", "any questions", "what do", "how about", "know if"},
	stop: {"the", "a", "an", "and", "or", "of", "to", "in", "is", "are", "was", "were", "be", "been", "it", "its", "this", "that", "these", "those",
		"for", "on", "with", "as", "by", "at", "from", "not", "but", "if", "so", "do", "does", "did", "have", "has", "had", "will", "would", "can",
		"could", "should", "i", "you", "he", "she", "we", "they", "me", "my", "your", "his", "her", "their", "our", "what", "which", "who", "how",
		"when", "where", "why", "there", "than", "then", "into", "about", "up", "out", "no", "also", "more", "some", "any", "all", "it's", "them", "us"},
}

// classes maps the hash of each entry of the lexicon to its classes.
func classes() map[uint64]class {
	byHash := map[uint64]class{}
	for c, entries := range lexicon {
		for _, entry := range entries {
			var s scan
			s.read(entry)
			h := s.words[0]
			if len(s.words) == 2 {
				h = pairHash(s.words[0], s.words[1])
			}
			byHash[h] |= c
		}
	}
	return byHash
}
