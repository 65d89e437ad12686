package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plumb/chat"
)

// routes is the whole API on one screen.
func (s *Server) routes() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.UseRawPath, e.UnescapePathValues = true, true // names of models have slashes
	e.Use(s.observe, s.recover, s.guard())
	e.NoRoute(s.handle(func(c *gin.Context) error {
		return &chat.Error{Kind: chat.NotFound, Msg: "no such route: " + c.Request.Method + " " + cut(c.Request.URL.Path) + "; openapi.yaml lists them"}
	}))
	e.NoMethod(func(c *gin.Context) {
		err := &chat.Error{Kind: chat.Invalid, Msg: "this path does not take " + c.Request.Method + ", only " + c.Writer.Header().Get("Allow")}
		_, body := envelopeOf(err, traceOf(c).id)
		traceOf(c).err = err
		reply(c, http.StatusMethodNotAllowed, body)
	})

	e.GET("/", s.servePage)
	e.GET("/healthz", s.healthz)
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.options.Registry, promhttp.HandlerOpts{})))

	asks := e.Group("/v1", s.allow(ScopeChat))
	asks.POST("/chat/completions", s.handle(s.chat))
	asks.GET("/models", s.handle(s.models))
	asks.GET("/models/:model", s.handle(s.model))

	votes := e.Group("/v1", s.allow(ScopeFeedback))
	votes.POST("/feedback", s.handle(s.vote))
	votes.GET("/feedback", s.handle(s.votes))
	votes.DELETE("/feedback/:id", s.handle(s.revoke))
	votes.GET("/generations/:id", s.handle(s.generation))
	votes.POST("/generations/:id/next", s.handle(s.next))

	admin := e.Group("/v1", s.allow(ScopeAdmin))
	admin.GET("/feedback/export", s.handle(s.export))
	admin.DELETE("/users/:user", s.handle(s.eraseUser))
	admin.GET("/align/status", s.handle(s.status))
	admin.GET("/align/advice", s.handle(s.advice))
	admin.POST("/align/runs", s.handle(s.startRun))
	admin.GET("/align/runs", s.handle(s.runs))
	admin.GET("/align/runs/:id", s.handle(s.run))
	admin.POST("/align/promote", s.handle(s.promote))
	admin.POST("/align/rollback", s.handle(s.rollback))
	return e
}

// handle turns a handler that returns an error into gin's form: the error becomes the response.
func (s *Server) handle(h func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			s.fail(c, err)
		}
	}
}
