// Package influence says what each person's votes do to a reward model: the poisoning report.
//
//	records, err := pairs.Collect(ctx, log)
//	report, err := influence.Measure{}.Report(ctx, records)
//
// The model is fitted again without each person, as if that person had never voted, and compared with the model of all on held-out votes
// of everybody else. Whoever votes against the others makes the model worse for them: without that person, chosen replies outscore
// rejected ones by more. And that person's votes disagree with what a model of all others expects. Both are set against what is usual
// among the people, and added up.
//
// Everybody's vote counts alike here, and nobody's share is limited, so that what a run keeps out is seen as well.
package influence
