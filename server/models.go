package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// models lists what can be asked for, aliases first.
func (s *Server) models(c *gin.Context) error {
	all, err := s.options.Policies.Models(c.Request.Context())
	if err != nil {
		return err
	}
	list := wireList[wireModel]{Object: "list", Data: make([]wireModel, len(all))}
	for i, m := range all {
		list.Data[i] = toModel(m)
	}
	reply(c, http.StatusOK, list)
	return nil
}

// model describes one of them.
func (s *Server) model(c *gin.Context) error {
	all, err := s.options.Policies.Models(c.Request.Context())
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Name == c.Param("model") {
			reply(c, http.StatusOK, toModel(m))
			return nil
		}
	}
	return &chat.Error{Kind: chat.NotFound, Param: "model", Msg: "model: " + quote(c.Param("model")) + " does not exist; GET /v1/models lists those that do"}
}

func toModel(m chat.Model) wireModel {
	return wireModel{ID: m.Name, Object: "model", Created: m.Created, OwnedBy: "plumb", Digest: m.Digest}
}
