package ollama

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/ollama/ollama/api"

	"plumb/chat"
	"plumb/clients/upstream"
)

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Publish makes the GGUF file at path a model of the server under name, with template, system prompt, parameters,
// renderer, parser and license of base. digest is the file's "sha256:…", or "" to have it computed. It returns the new
// model's own digest. Uploading takes as long as the file is big; a blob that the server has is not sent again.
//
// A name is published once: the same file under the same name again changes nothing, another file is a Conflict.
func (c *Client) Publish(ctx context.Context, name, path, digest string, base Info) (string, error) {
	doing := fmt.Sprintf("publish model %q", name)
	if digest == "" {
		var err error
		if digest, err = fileDigest(path); err != nil {
			return "", fmt.Errorf("%s: %w", doing, err)
		}
	}
	if !digestForm.MatchString(digest) {
		return "", &chat.Error{Kind: chat.Invalid, Param: "digest", Msg: fmt.Sprintf("%s: digest %q is not sha256: and 64 hex digits", doing, digest)}
	}
	switch there, err := c.Show(ctx, name); {
	case err == nil && there.Blob == digest:
		return there.Digest, nil
	case err == nil:
		return "", &chat.Error{Kind: chat.Conflict, Param: "name", Msg: fmt.Sprintf("%s: the name holds another file, %s", doing, there.Blob)}
	case chat.KindOf(err) != chat.NotFound:
		return "", err
	}
	if err := c.upload(ctx, path, digest); err != nil {
		return "", err
	}
	if err := c.create(ctx, name, filepath.Base(path), digest, base); err != nil {
		return "", failed(doing, err)
	}
	c.known.forget(name)
	return c.digest(ctx, name)
}

// upload sends the file unless the server has it. Posting one that is there is answered unread, which breaks the
// sending: so it asks first.
func (c *Client) upload(ctx context.Context, path, digest string) error {
	doing := fmt.Sprintf("upload %s", filepath.Base(path))
	has, err := c.hasBlob(ctx, digest)
	if err != nil || has {
		return upstream.Broken(doing, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer f.Close()
	if err := c.api.CreateBlob(ctx, digest, f); err != nil {
		// A neighbour may have sent it meanwhile.
		if has, again := c.hasBlob(ctx, digest); again == nil && has {
			return nil
		}
		return failed(doing, err)
	}
	return nil
}

func (c *Client) hasBlob(ctx context.Context, digest string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.base.JoinPath("/api/blobs", digest).String(), nil)
	if err != nil {
		return false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, upstream.Status("look for blob "+digest, resp.StatusCode, "")
}

// create makes the model. The server copies no manners from one file to another: all are sent.
func (c *Client) create(ctx context.Context, name, file, digest string, base Info) error {
	req := &api.CreateRequest{
		Model: name, Files: map[string]string{file: digest}, Template: base.Template, System: base.System,
		Parameters: base.Parameters, Renderer: base.Renderer, Parser: base.Parser, Messages: base.messages,
	}
	if base.License != "" {
		req.License = base.License
	}
	last := ""
	err := c.api.Create(ctx, req, func(p api.ProgressResponse) error {
		last = p.Status
		return nil
	})
	if err == nil && last != "success" {
		err = fmt.Errorf("the server stopped at %q", last) // api.Client does not tell a broken stream from its end
	}
	return err
}

// Warm loads a model by drawing one token and keeps it loaded for Options.KeepAlive after its last request.
func (c *Client) Warm(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	doing := fmt.Sprintf("warm model %q", name)
	no, done := false, false
	req := &api.ChatRequest{
		Model: name, Messages: []api.Message{{Role: chat.User, Content: "Hi"}}, Stream: &no, Think: c.think(),
		Options: c.sampling(chat.Sampling{}, 1), KeepAlive: &api.Duration{Duration: c.options.KeepAlive},
	}
	err := c.api.Chat(ctx, req, func(r api.ChatResponse) error {
		done = r.Done
		return nil
	})
	if err == nil && !done {
		err = io.ErrUnexpectedEOF
	}
	return failed(doing, err)
}

// Unload lets the server drop a model from memory once its running requests are done. The model stays on disk.
func (c *Client) Unload(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	no := false
	req := &api.GenerateRequest{Model: name, Stream: &no, KeepAlive: &api.Duration{Duration: 0 * time.Second}}
	err := c.api.Generate(ctx, req, func(api.GenerateResponse) error { return nil })
	return failed(fmt.Sprintf("unload model %q", name), err)
}

// Delete removes a model from the server. Requests that run on it finish.
func (c *Client) Delete(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	c.known.forget(name)
	return failed(fmt.Sprintf("delete model %q", name), c.api.Delete(ctx, &api.DeleteRequest{Model: name}))
}

// fileDigest is the SHA-256 of a file as Ollama writes it.
func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}
