package ollama

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"plumb/chat"
	"plumb/clients/upstream"
)

// What [Probe] finds.
const (
	KindOllama = "ollama"
	KindOpenAI = "openai"
)

const maxProbeReply = 4 << 20

// Probe says which API the server at url speaks: "ollama" if it tells its version, else "openai" if it lists models or
// asks for a key first. Nobody there is Unavailable, anything else Upstream.
func Probe(ctx context.Context, url string) (kind string, err error) {
	base, err := upstream.ParseURL(url)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	client := upstream.NewHTTP()
	defer client.CloseIdleConnections()

	var version struct{ Version string }
	_, err = get(ctx, client, base.JoinPath("/api/version").String(), &version)
	if err != nil {
		return "", upstream.Broken("probe "+base.Redacted(), err)
	}
	if version.Version != "" {
		return KindOllama, nil
	}
	var models struct{ Data []json.RawMessage }
	status, err := get(ctx, client, upstream.OpenAIRoot(base).JoinPath("/models").String(), &models)
	if err != nil {
		return "", upstream.Broken("probe "+base.Redacted(), err)
	}
	if models.Data != nil || status == http.StatusUnauthorized || status == http.StatusForbidden {
		return KindOpenAI, nil
	}
	return "", &chat.Error{Kind: chat.Upstream, Msg: fmt.Sprintf("probe %s: it answers neither /api/version as Ollama does nor the list of models as OpenAI does", base.Redacted())}
}

// get reads a JSON object into v if there is one: its absence is an answer too.
func get(ctx context.Context, client *http.Client, url string, v any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProbeReply))
	if err == nil && resp.StatusCode == http.StatusOK {
		json.Unmarshal(body, v) // what is not JSON is not an answer
	}
	return resp.StatusCode, err
}
