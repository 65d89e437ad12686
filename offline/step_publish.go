package offline

import (
	"context"
	"fmt"

	"plumb/chat"
	"plumb/lm"
	"plumb/lm/gguf"
	"plumb/offline/registry"
)

// ModelName returns the immutable name of the model that a run publishes.
func ModelName(alias, run string) string { return "plumb-" + alias + ":" + run }

// write merges the adapter into the base and writes the whole model.
func (w *work) write(ctx context.Context) error {
	m, err := w.openBase(ctx)
	if err != nil {
		return err
	}
	ad, err := m.ReadAdapter(w.folder.path("adapter.gguf"))
	if err != nil {
		return err
	}
	g := lm.Merge{Adapter: ad, Keep: w.config.Type == "keep", Extra: w.provenance()}
	if !g.Keep {
		if g.Type, err = gguf.ParseType(w.config.Type); err != nil {
			return err
		}
	}
	w.run.Result.Digest, err = g.Write(m, w.folder.path("model.gguf"))
	return err
}

// publish gives the file to the upstream under its own name, has it loaded, and compares what it answers with what the engine does.
func (w *work) publish(ctx context.Context) error {
	path := w.folder.path("model.gguf")
	if !w.folder.has("model.gguf") { // an earlier publish has moved it
		if err := w.write(ctx); err != nil {
			return err
		}
	}
	name := ModelName(w.Alias, w.run.ID)
	p := Publication{Name: name, File: path, Digest: w.run.Result.Digest, Base: w.Base, Run: w.run.ID}
	digest, err := w.Upstream.Publish(ctx, p)
	if err != nil {
		return fmt.Errorf("publish %s: %w", name, err)
	}
	if err := w.Upstream.Warm(ctx, name); err != nil {
		return fmt.Errorf("load %s: %w", name, err)
	}
	w.run.Result.Model, w.run.Result.Digest, w.run.Result.Run = name, digest, w.run.ID
	if !w.folder.has("model.gguf") {
		if path, err = w.Upstream.Locate(ctx, name); err != nil {
			return fmt.Errorf("find the file of %s: %w", name, err)
		}
	}
	return w.checkFile(ctx, path, name)
}

func openMerged(path string) (*lm.Model, error) {
	m, err := lm.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the merged model: %w", err)
	}
	return m, nil
}

// release moves the alias: to the new model, or for a share of users.
func (w *work) release(ctx context.Context) error {
	if w.run.Method == RMOnly {
		var s start
		if err := w.folder.get("start.json", &s); err != nil {
			return err
		}
		w.run.Result.Model, w.run.Result.Digest, w.run.Result.Run = s.Incumbent.Model, s.Incumbent.Digest, w.run.ID
	}
	// The manifest must have the result before the alias names the run.
	if err := w.put(ctx, w.run, w.fence); err != nil {
		return err
	}
	move, decision := w.makeLive, "live"
	switch {
	case w.run.Method == RMOnly:
	case w.config.Shadow > 0:
		move, decision = w.makeShadow(w.config.Shadow, w.config.Canary), "canary"
	case w.config.Canary > 0:
		move, decision = w.makeCanary(w.config.Canary), "canary"
	}
	if decision == "canary" {
		if err := w.closeCanary(ctx); err != nil {
			return err
		}
	}
	if _, err := w.move(ctx, move(w.run.Result), w.fence); err != nil {
		return err
	}
	w.run.Decision = decision
	return nil
}

// closeCanary ends a canary of another run that people have not decided on yet, since there can be one: its manifest says what took its
// place. It does so before the alias moves; after a crash in between, the watch takes the old one back and this run goes on.
func (w *work) closeCanary(ctx context.Context) error {
	a, err := w.Registry.Alias(ctx, w.Alias)
	if err != nil {
		return fmt.Errorf("read alias %s: %w", w.Alias, err)
	}
	if a.Canary == nil || a.Canary.Run == w.run.ID {
		return nil
	}
	old, err := w.Registry.Run(ctx, a.Canary.Run)
	switch {
	case chat.KindOf(err) == chat.NotFound:
		return nil // nothing is left that could say otherwise
	case err != nil:
		return fmt.Errorf("end the canary before this one: %w", err)
	case old.State == registry.Live:
		return &chat.Error{Kind: chat.Conflict, Msg: fmt.Sprintf("release: canary %s is decided and about to go live; it goes first", old.ID)}
	case old.State != registry.Canary:
		return nil
	}
	old.State, old.Decision, old.Updated = registry.Rejected, "rejected", w.now()
	old.Reason = fmt.Sprintf("canary: undecided when %s took its place", w.run.ID)
	return w.put(ctx, old, w.fence)
}
