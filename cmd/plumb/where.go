package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// Where says where things are; serve, demo and align share it.
type Where struct {
	Upstream string    `help:"Server of the base model: http://HOST:PORT is probed, ollama+http://… and openai+http://… are taken at their word. Empty: the built-in engine." placeholder:"URL"`
	Model    string    `help:"Name of the base model there. Empty: plumb-tiny on the built-in engine." placeholder:"NAME"`
	Base     ModelFile `help:"GGUF file of the base model, or ollama:NAME in Ollama's store; for training, where the upstream does not tell its path; without --upstream the model that the built-in engine serves." placeholder:"FILE"`
	Store    string    `help:"Where feedback is kept: sqlite:FILE, or redis://HOST:PORT/DB (rediss:// for TLS). Empty: plumb.db in --data." placeholder:"URL"`
	Data     string    `help:"Folder for the database, the spool, runs and models." default:"plumb-data" placeholder:"DIR" type:"path"`
	Alias    string    `help:"Name under which what is live answers." default:"plumb"`

	Prefix        string `help:"Of the keys in Redis; servers that share a store share it." default:"plumb"`
	UpstreamKey   string `help:"API key for an OpenAI-compatible upstream." placeholder:"KEY"`
	OllamaThreads int    `help:"num_thread for Ollama; 0 leaves it to Ollama." default:"0"`
	Exact         bool   `help:"The built-in engine computes in float32, as training does; without it quantised weights stay integers and keys and values are float16: two to three times as fast, and log-probs differ by some .03."`
}

// check returns every setting that is wrong.
func (w *Where) check() error {
	var problems []error
	if w.Upstream != "" {
		bare := strings.TrimPrefix(strings.TrimPrefix(w.Upstream, "ollama+"), "openai+")
		if u, err := url.Parse(bare); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			problems = append(problems, fmt.Errorf("--upstream: got %q, want http://HOST:PORT, perhaps with ollama+ or openai+ before it", w.Upstream))
		}
		if w.Model == "" {
			problems = append(problems, errors.New("--model: must name a model of the upstream"))
		}
	}
	if w.Upstream == "" && w.Model != "" && w.Base.Path == "" && w.Model != builtInModel {
		problems = append(problems, fmt.Errorf("--model: got %q without --upstream; the built-in engine has %s, or the file of --base", w.Model, builtInModel))
	}
	if _, _, err := storeKind(w.Store, w.Data); err != nil {
		problems = append(problems, err)
	}
	if w.Alias == "" || strings.ContainsAny(w.Alias, "@/: ") {
		problems = append(problems, fmt.Errorf("--alias: got %q, want a name without @, /, : and spaces", w.Alias))
	}
	if w.OllamaThreads < 0 {
		problems = append(problems, fmt.Errorf("--ollama-threads: got %d, want 0 or more", w.OllamaThreads))
	}
	return errors.Join(problems...)
}

// baseName is the name of the base model where models are listed.
func (w *Where) baseName() string {
	switch {
	case w.Model != "":
		return w.Model
	case w.Base.Path != "":
		return w.Base.Name
	}
	return builtInModel
}

// storeKind splits --store into what it is ("sqlite" or "redis") and where.
func storeKind(store, data string) (kind, place string, err error) {
	switch scheme, rest, _ := strings.Cut(store, ":"); {
	case store == "":
		return "sqlite", filepath.Join(data, "plumb.db"), nil
	case scheme == "redis" || scheme == "rediss" || scheme == "unix":
		return "redis", store, nil
	case scheme == "sqlite":
		if path := strings.TrimPrefix(rest, "//"); path != "" {
			return "sqlite", path, nil
		}
	}
	return "", "", fmt.Errorf("--store: got %q, want sqlite:FILE or redis://HOST:PORT/DB", store)
}

// isLoopback says whether an address to listen on can be reached from this machine alone.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
