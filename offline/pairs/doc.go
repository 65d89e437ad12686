// Package pairs turns feedback into training rows: what people said about replies becomes preference pairs, single replies
// with a verdict, demonstrations and rankings, each with its provenance, weight and users.
//
//	records, err := pairs.Collect(ctx, log)
//	set := pairs.Build(records, pairs.Options{})
//	train, heldOut, how := set.Split(pairs.Split{})
//
// The rules, in the order of the code:
//
//	compared   two candidates a person compared                                   weight 1, shared among k compared as 2/k each pair
//	ranked     each two of a ranking                                              the same
//	edited     the text a person wanted over ours, unless next to nothing changed 1
//	next       a person asked for another reply (implicit)                        .3; .7 where the same person then liked it
//	up-down    a liked and a disliked reply to one prompt                         .8
//	thumb, rated, demonstration                                                   1
//
// A person's last word about a thing counts, and a person's own word more than what behaviour implied. Votes of
// several people on one thing add up (to 3 at most) and votes against each other cancel. Where enough things were judged
// twice, how often a person is contradicted says what that person's votes count for ([Voters]); the votes of somebody who is
// contradicted as often as not are left out. Prompts that are almost the same are one topic, rows that say almost the same are
// one row, and two replies that are almost the same are no pair. No user and no topic may supply more than a share of the
// rows. Each record that becomes no row is counted under its reason. The same votes give the same rows in the same order and
// with the same weights, whatever order they come in, and whatever their ids and times, but for which of a person's votes on
// one thing came last.
//
// Thumbs without a partner stay unpaired; no pair is invented from them.
package pairs
