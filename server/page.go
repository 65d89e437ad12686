package server

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// The page is three files, so that each can be read and edited as what it is, and goes out as one.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
)

// page is the assembled page.
type page struct {
	html   []byte
	etag   string
	policy string // Content-Security-Policy: this very style and script, and calls to this server
}

func newPage() page {
	html := []byte(strings.NewReplacer("{{style}}", pageStyle, "{{script}}", pageScript).Replace(pageHTML))
	sum := sha256.Sum256(html)
	return page{html: html, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, policy: fmt.Sprintf(
		"default-src 'none'; connect-src 'self'; img-src data:; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		sourceHash(pageStyle), sourceHash(pageScript))}
}

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// servePage answers with the page: one document that needs nothing from elsewhere and may load nothing from elsewhere.
func (s *Server) servePage(c *gin.Context) {
	c.Header("Content-Security-Policy", s.page.policy)
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("Cache-Control", "no-cache")
	c.Header("ETag", s.page.etag)
	if c.GetHeader("If-None-Match") == s.page.etag {
		c.Status(http.StatusNotModified)
		return
	}
	c.Data(http.StatusOK, "text/html; charset=utf-8", s.page.html)
}
