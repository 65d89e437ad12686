// Package balance weighs single replies with thumbs, so that what people happened to press more often, and what they happened to ask,
// does not decide what is learned from them.
//
//	desirable, undesirable := balance.Sides(replies) // for kto: neither side drowns out the other
//	weights := balance.Density(replies)              // for bco: disliked replies to prompts that liked ones have too count more
package balance
