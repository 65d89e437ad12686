package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Advisor says what was collected, and which method fits it.
type Advisor interface {
	// Advice reads the whole log. It changes nothing.
	Advice(ctx context.Context) (Advice, error)
}

// Advice is which method fits the feedback, and why. What it is given on is passed through as it is; openapi.yaml says what is in it.
type Advice struct {
	Method  string          `json:"method"` // "" where there is nothing to learn from yet
	Why     string          `json:"why"`
	Counts  json.RawMessage `json:"counts"`
	Needs   json.RawMessage `json:"needs"`
	Next    json.RawMessage `json:"next"`
	Power   json.RawMessage `json:"power"`
	Notes   []string        `json:"notes"`
	Dropped map[string]int  `json:"dropped"`
}

// advice answers what "plumb align advise" does.
func (s *Server) advice(c *gin.Context) error {
	if err := s.needs(s.options.Advisor != nil); err != nil {
		return err
	}
	a, err := s.options.Advisor.Advice(c.Request.Context())
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, a)
	return nil
}
