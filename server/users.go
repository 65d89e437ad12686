package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"plumb/feedback"
)

// eraseUser removes everything that is kept of a user: votes, and what the user asked with all its candidates.
func (s *Server) eraseUser(c *gin.Context) error {
	name := c.Param("user")
	if name == "" || len(name) > maxUser {
		return invalid("user", "want a name of 1 to %d bytes", maxUser)
	}
	erased, err := s.options.Log.EraseUser(c.Request.Context(), feedback.HashUser(s.options.Salt, name))
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, wireErased{Object: "user.erased", Generations: erased.Generations, Events: erased.Events})
	return nil
}
