package ollama

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ollama/ollama/api"

	"plumb/chat"
)

// Info is what the server knows of a model: enough to find its file and to give another file the same manners.
type Info struct {
	Name         string
	Digest       string         // of the manifest, "sha256:…"
	Template     string         // Ollama's Go template
	System       string         // default system prompt
	Parameters   map[string]any // Modelfile parameters: int, float64, bool, string; []string for stop
	Renderer     string         // built-in prompt renderer, where the model names one
	Parser       string         // built-in reply parser, where the model names one
	License      string
	Architecture string // "llama"
	Quantization string // "Q4_1"
	Context      int    // tokens the model was trained for, 0 if its file does not say
	Capabilities []string
	Blob         string // digest of the model's GGUF file, "sha256:…", "" if unknown
	Path         string // that file on this machine, "" if it cannot be read from here

	messages []api.Message // of the Modelfile
}

// Show reads all that the server tells of a model. NotFound names the model.
func (c *Client) Show(ctx context.Context, model string) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	digest, err := c.digest(ctx, model)
	if err != nil {
		return Info{}, err
	}
	doing := fmt.Sprintf("show model %q", model)
	resp, err := c.api.Show(ctx, &api.ShowRequest{Model: model})
	if err != nil {
		return Info{}, failed(doing, err)
	}
	parameters, err := parseParameters(resp.Parameters)
	if err != nil {
		return Info{}, &chat.Error{Kind: chat.Upstream, Msg: doing, Cause: err}
	}
	info := Info{
		Name: model, Digest: digest, Template: resp.Template, System: resp.System, Parameters: parameters,
		Renderer: resp.Renderer, Parser: resp.Parser, License: resp.License, Quantization: resp.Details.QuantizationLevel,
		messages: resp.Messages,
	}
	info.Architecture, _ = resp.ModelInfo["general.architecture"].(string)
	if n, ok := resp.ModelInfo[info.Architecture+".context_length"].(float64); ok && n >= 1 && n < 1<<31 {
		info.Context = int(n)
	}
	for _, capability := range resp.Capabilities {
		info.Capabilities = append(info.Capabilities, string(capability))
	}
	if from := fromLine(resp.Modelfile); from != "" {
		if digest, ok := strings.CutPrefix(filepath.Base(from), "sha256-"); ok {
			info.Blob = "sha256:" + digest
		}
		if readableGGUF(from) {
			info.Path = from
		}
	}
	return info, nil
}

// fromLine is the file or name after the first FROM of a Modelfile.
func fromLine(modelfile string) string {
	for l := range strings.Lines(modelfile) {
		word, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
		if strings.EqualFold(word, "FROM") {
			rest = strings.TrimSpace(rest)
			if unquoted, err := strconv.Unquote(rest); err == nil {
				return unquoted
			}
			return rest
		}
	}
	return ""
}

// readableGGUF says whether path is a GGUF file that this process can read. The server may run elsewhere.
func readableGGUF(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "GGUF"
}

// parseParameters reads the text of /api/show: a name, spaces and a Go literal on each line, a line for each stop.
func parseParameters(text string) (map[string]any, error) {
	parameters := make(map[string]any)
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		name, literal, ok := strings.Cut(l, " ")
		if !ok {
			return nil, fmt.Errorf("read parameters: %q has no value", l)
		}
		value, err := parseLiteral(strings.TrimSpace(literal))
		if err != nil {
			return nil, fmt.Errorf("read parameter %s: %w", name, err)
		}
		if name == "stop" {
			before, _ := parameters["stop"].([]string)
			parameters["stop"] = append(before, fmt.Sprint(value))
		} else {
			parameters[name] = value
		}
	}
	return parameters, nil
}

func parseLiteral(s string) (any, error) {
	if strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "`") {
		return strconv.Unquote(s)
	}
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		return x, nil
	}
	if b, err := strconv.ParseBool(s); err == nil {
		return b, nil
	}
	return s, nil
}
