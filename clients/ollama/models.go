package ollama

import (
	"context"
	"fmt"
	"strings"

	"github.com/ollama/ollama/api"

	"plumb/chat"
)

// Models lists the models of the server, in its order.
func (c *Client) Models(ctx context.Context) ([]chat.Model, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	list, err := c.api.List(ctx)
	if err != nil {
		return nil, failed("list models", err)
	}
	models := make([]chat.Model, len(list.Models))
	for i, m := range list.Models {
		models[i] = chat.Model{Name: m.Name, Digest: withAlgorithm(m.Digest), Created: m.ModifiedAt.Unix()}
	}
	return models, nil
}

// withAlgorithm completes the digests of /api/tags, which come without "sha256:".
func withAlgorithm(digest string) string {
	if digest == "" || strings.HasPrefix(digest, "sha256:") {
		return digest
	}
	return "sha256:" + digest
}

// Embeddings embeds each text with the model; row i belongs to texts[i] and all rows have the same length. Texts longer
// than the model's context are cut by the server.
func (c *Client) Embeddings(ctx context.Context, model string, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	doing := fmt.Sprintf("embed %d texts with model %q", len(texts), model)
	options := c.sampling(chat.Sampling{}, 1)
	delete(options, "num_predict")
	resp, err := c.api.Embed(ctx, &api.EmbedRequest{Model: model, Input: texts, Options: options})
	if err != nil {
		return nil, failed(doing, err)
	}
	if len(resp.Embeddings) != len(texts) {
		return nil, &chat.Error{Kind: chat.Upstream, Msg: fmt.Sprintf("%s: %d vectors came back", doing, len(resp.Embeddings))}
	}
	for i, v := range resp.Embeddings {
		if len(v) == 0 || len(v) != len(resp.Embeddings[0]) {
			return nil, &chat.Error{Kind: chat.Upstream, Msg: fmt.Sprintf("%s: vector %d has %d numbers, the first has %d", doing, i, len(v), len(resp.Embeddings[0]))}
		}
	}
	return resp.Embeddings, nil
}
