package server

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"plumb/chat"
	"plumb/feedback"
)

// export streams training rows as JSON Lines. Human and implicit feedback by default; what a reward model made is never
// mixed in unasked. An error after the first row cuts the connection, so that a part is not taken for the whole.
func (s *Server) export(c *gin.Context) error {
	kind, sources, err := exportQuery(c)
	if err != nil {
		return err
	}
	if s.options.Exporter == nil {
		return &chat.Error{Kind: chat.Unavailable, Msg: "export feedback: this server has no exporter"}
	}
	c.Header("Content-Type", "application/jsonl; charset=utf-8")
	var line bytes.Buffer
	err = s.options.Exporter.Export(c.Request.Context(), kind, sources, func(row any) error {
		line.Reset()
		if err := encode(&line, row); err != nil {
			return err
		}
		_, err := c.Writer.Write(line.Bytes())
		return err
	})
	if err != nil && c.Writer.Written() {
		traceOf(c).err = err
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		c.Writer.Header().Del("Content-Type")
		return err
	}
	c.Status(http.StatusOK)
	return nil
}

// exportQuery reads kind, and source, which may be given several times or as a list with commas.
func exportQuery(c *gin.Context) (kind string, sources []string, err error) {
	if err := onlyQuery(c, "kind", "source"); err != nil {
		return "", nil, err
	}
	kinds := []string{"preference", "unpaired", "demonstration"}
	kind = c.DefaultQuery("kind", kinds[0])
	if !slices.Contains(kinds, kind) {
		return "", nil, invalid("kind", "got %s, want %s", quote(kind), oneOf(kinds))
	}
	allowed := []string{feedback.Human, feedback.Implicit, feedback.Import, feedback.Model}
	for _, given := range c.QueryArray("source") {
		for source := range strings.SplitSeq(given, ",") {
			if !slices.Contains(allowed, source) {
				return "", nil, invalid("source", "got %s, want %s", quote(source), oneOf(allowed))
			}
			sources = append(sources, source)
		}
	}
	if sources == nil {
		sources = []string{feedback.Human, feedback.Implicit}
	}
	return kind, sources, nil
}

// onlyQuery refuses query parameters that the route does not know, and those given several times unless it reads them all.
func onlyQuery(c *gin.Context, known ...string) error {
	for name, values := range c.Request.URL.Query() {
		if !slices.Contains(known, name) {
			return invalid(cut(name), "unknown parameter, want %s", oneOf(known))
		}
		if len(values) > 1 && name != "source" {
			return invalid(name, "given twice")
		}
	}
	return nil
}
