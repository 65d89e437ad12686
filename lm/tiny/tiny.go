// Package tiny is the built-in model, plumb-tiny: a llama-family chat model of about two million parameters, so that
// everything can be tried with nothing installed. It gives short advice on some fifty everyday subjects, makes small talk,
// and says that it does not know anything else. It is no more than that.
//
// The model is made by this project alone: lm/tiny/corpus writes the chats, [Init] the tokenizer and the untrained
// model, and plumb's own trainer trains it.
package tiny
