package gate

import (
	"regexp"
	"strings"
)

// declines are the ways in which a reply to something harmless declines it. They are looked for in its first words, where a refusal
// stands; "you cannot" and "if you can't" further on are advice.
var declines = regexp.MustCompile(`\b(` + strings.Join([]string{
	`i(?:'m| am) (?:really |very |so |truly )?sorry,? (?:but|i|that i|as)\b`,
	`(?:sorry|unfortunately|apologies),? (?:but )?(?:as an? \w+|i)\b(?: \w+)? ?(?:can(?:no|')t|can not|do not|don't|am not|am unable|won't|will not)`,
	`i (?:can(?:no|')t|can not|won't|will not) (?:help|assist|answer|provide|do|give|tell|advise|recommend|say|offer|comply|fulfil|share|discuss|support|engage|create|generate|write)`,
	`i (?:must decline|refuse to|(?:do not|don't) feel comfortable)\b`,
	`i(?:'m| am) (?:unable|not able|not allowed|not permitted|not comfortable|not going)\b`,
	`as an? (?:ai\b|artificial|language model|large language model|virtual assistant|chatbot)`,
	`i (?:do not|don't) (?:know (?:that|this|about that|anything)|have (?:the|an?|any) (?:ability|answer|information|opinion))`,
	`(?:that|this|it) is (?:beyond me|against (?:my|the|our))`,
	`i am too small`,
	`i apologi[sz]e,? but`,
	`against (?:my|our) (?:policy|policies|guidelines|programming)`,
}, "|") + `)`)

// openingWords is how many words of a reply are looked at.
const openingWords = 16

// Refuses says whether a reply declines: it says in its first words that it cannot or will not, or that it knows nothing of it. It is made
// for replies to harmless prompts, where there is no good reason to, and compares two policies; it is no measure of safety.
func Refuses(reply string) bool {
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(reply, "’", "'")))
	return declines.MatchString(strings.Join(words[:min(len(words), openingWords)], " "))
}
