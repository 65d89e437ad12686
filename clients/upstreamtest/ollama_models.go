package upstreamtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (m Model) digest() string {
	return strings.TrimPrefix(digestOf(fmt.Sprintf("%+v", m)), "sha256:")
}

func (o *ollama) tags(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, m := range o.Models() {
		list = append(list, map[string]any{"name": withTag(m.Name), "model": withTag(m.Name),
			"modified_at": "2025-01-02T03:04:05Z", "digest": m.digest()})
	}
	answer(w, http.StatusOK, map[string]any{"models": list})
}

// running takes every model for loaded.
func (o *ollama) running(w http.ResponseWriter, _ *http.Request) {
	list := []any{}
	for _, m := range o.Models() {
		list = append(list, map[string]any{"name": withTag(m.Name), "model": withTag(m.Name), "context_length": m.size()})
	}
	answer(w, http.StatusOK, map[string]any{"models": list})
}

const (
	openTemplate   = "{{ .Messages }} left open"
	closedTemplate = "{{ .Messages }} closed"
)

func (o *ollama) show(w http.ResponseWriter, req *http.Request) {
	var q struct{ Model string }
	json.NewDecoder(req.Body).Decode(&q)
	m, ok := o.model(q.Model)
	if !ok {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("model '%s' not found", q.Model)})
		return
	}
	template, capabilities, parameters := openTemplate, []string{"completion"}, ""
	if m.Closes {
		template = closedTemplate
	}
	if m.Tools {
		capabilities = append(capabilities, "tools")
	}
	for _, stop := range m.Stop {
		parameters += fmt.Sprintf("%-30s %#v\n", "stop", stop)
	}
	answer(w, http.StatusOK, map[string]any{
		"modelfile":    "# FROM " + m.Name + "\n\nFROM /nowhere/blobs/" + strings.Replace(m.blob, ":", "-", 1) + "\nTEMPLATE x\n",
		"parameters":   strings.TrimSpace(parameters),
		"template":     template,
		"system":       m.System,
		"capabilities": capabilities,
		"details":      map[string]any{"quantization_level": "F16"},
		"model_info":   map[string]any{"general.architecture": "llama", "llama.context_length": m.size()},
	})
}

func (o *ollama) create(w http.ResponseWriter, req *http.Request) {
	var q struct {
		Model      string
		Files      map[string]string
		Template   string
		System     string
		Parameters struct{ Stop []string }
	}
	if err := json.NewDecoder(req.Body).Decode(&q); err != nil || len(q.Files) != 1 {
		answer(w, http.StatusBadRequest, map[string]string{"error": "neither 'from' or 'files' was specified"})
		return
	}
	m := Model{Name: withTag(q.Model), Closes: q.Template == closedTemplate, System: q.System, Stop: q.Parameters.Stop}
	for _, digest := range q.Files {
		m.blob = digest
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.blobs[m.blob] {
		answer(w, http.StatusBadRequest, map[string]string{"error": "blob not found"})
		return
	}
	o.models = slices.DeleteFunc(o.models, func(have Model) bool { return have.Name == m.Name })
	o.models = append(o.models, m)
	for _, status := range []string{"parsing GGUF", "writing manifest", "success"} {
		json.NewEncoder(w).Encode(map[string]string{"status": status})
	}
}

func (o *ollama) delete(w http.ResponseWriter, req *http.Request) {
	var q struct{ Model string }
	json.NewDecoder(req.Body).Decode(&q)
	o.mu.Lock()
	defer o.mu.Unlock()
	before := len(o.models)
	o.models = slices.DeleteFunc(o.models, func(m Model) bool { return strings.EqualFold(withTag(m.Name), withTag(q.Model)) })
	if len(o.models) == before {
		answer(w, http.StatusNotFound, map[string]string{"error": fmt.Sprintf("model '%s' not found", q.Model)})
	}
}
