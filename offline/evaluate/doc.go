// Package evaluate measures a trained policy against the one that answers now and against the untouched base: log-probs of
// held-out votes and of neutral text, replies to held-out prompts, divergence over the vocabulary, and whether a published file
// answers as the engine does. What it measures goes to package gate, which decides.
package evaluate
