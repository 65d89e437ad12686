package offline

import (
	"context"
	"encoding/json"
	"fmt"

	"plumb/offline/evaluate"
	"plumb/offline/gate"
	"plumb/offline/registry"
)

// evaluate measures what the gate looks at.
func (w *work) evaluate(ctx context.Context) error {
	s, err := w.rows()
	if err != nil {
		return err
	}
	candidate, incumbent, base, begun, err := w.policies(ctx)
	if err != nil {
		return err
	}
	human := s.HeldOut.Human()
	e := evaluate.Evaluation{
		Candidate: candidate, Incumbent: incumbent, Base: base, IncumbentIsBase: begun.IncumbentIsBase,
		HeldOut: human, Neutral: w.Neutral, Draws: w.config.Draws, MaxTokens: w.config.MaxTokens,
		MaxLength: w.config.Train.MaxLength, Limit: w.config.Train.PassTokens, Seed: w.config.Seed,
		Harmless: w.Harmless, Claims: w.Claims,
		Progress: func(done, all int) { w.progress(registry.Evaluate, done, all, "measuring") },
	}
	if e.Neutral == nil {
		e.Neutral = evaluate.Sentences()
	}
	if e.Harmless == nil {
		e.Harmless = evaluate.Harmless()
	}
	if e.Claims == nil {
		e.Claims = evaluate.Claims()
	}
	for _, p := range evaluationPrompts(s.HeldOut, w.config.Prompts) {
		e.Prompts = append(e.Prompts, p.Messages)
	}
	training, second, others := opinions(s)
	judge, about, err := w.judge(ctx, second)
	if err != nil {
		return err
	}
	if judge != nil {
		e.Judge = judge
	}
	proxy, aboutProxy, err := w.proxy(ctx, training)
	if err != nil {
		return err
	}
	e.Proxy = proxy
	m, err := e.Measure(ctx)
	if err != nil {
		return err
	}
	m.ByUser, m.PreferredLength, m.Judge, m.Proxy = s.Divided.ByUser, s.Preferred, about, aboutProxy
	m.OtherUsers, m.Maximised = others, maximises(w.run.Method)
	return w.folder.put("measures.json", m)
}

// gate decides on what was measured.
func (w *work) gate(context.Context) error {
	var reward gate.Report
	if err := w.folder.get("reward.json", &reward); err != nil {
		return err
	}
	if w.run.Method == RMOnly {
		return w.conclude(reward)
	}
	var m gate.Measures
	if err := w.folder.get("measures.json", &m); err != nil {
		return err
	}
	report := gate.Decide(m, w.config.Limits)
	report.AddReward(reward, m.Maximised, w.config.Limits)
	if w.folder.has(warningsFile) {
		if err := w.folder.get(warningsFile, &report.Warnings); err != nil {
			return err
		}
	}
	for _, c := range report.Checks {
		w.metric("gate/"+c.Name, c.Value)
	}
	return w.conclude(report)
}

// conclude keeps the report and rejects the run if it says so.
func (w *work) conclude(report gate.Report) error {
	b, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("keep gate report: %w", err)
	}
	w.run.Gate = b
	if !report.Pass {
		w.run.Decision, w.run.Error = "rejected", ""
	}
	return nil
}

// checkFile adds the check of the published file to the report.
func (w *work) checkFile(ctx context.Context, path, name string) error {
	prompts, err := w.filePrompts()
	if err != nil {
		return err
	}
	m, err := openMerged(path)
	if err != nil {
		return err
	}
	defer m.Close()
	answers, err := evaluate.File(ctx, w.Upstream, name, m, prompts, fileTokens)
	if err != nil {
		return err
	}
	var report gate.Report
	if err := json.Unmarshal(w.run.Gate, &report); err != nil {
		return fmt.Errorf("read gate report: %w", err)
	}
	check := gate.File(answers, w.config.Limits)
	report.Add(w.config.Limits, check)
	w.metric("gate/"+check.Name, check.Value)
	return w.conclude(report)
}

// fileChecks and fileTokens bound how many greedy replies the file check compares, and how long ones.
const (
	fileChecks = 12
	fileTokens = 32
)
