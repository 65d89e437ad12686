package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"plumb/chat"
)

// status says what is live and what runs have come to.
func (s *Server) status(c *gin.Context) error {
	if err := s.needs(s.options.Runs != nil && s.options.Releases != nil); err != nil {
		return err
	}
	alias, err := s.options.Releases.Alias(c.Request.Context())
	if err != nil {
		return err
	}
	runs, err := s.options.Runs.Runs(c.Request.Context(), 10)
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, wireStatus{Alias: alias, Runs: append([]Run{}, runs...)})
	return nil
}

// startRun begins a run: 202, for it goes on after the answer.
func (s *Server) startRun(c *gin.Context) error {
	if err := s.needs(s.options.Runs != nil); err != nil {
		return err
	}
	var q RunRequest
	err := s.readOptional(c, func(r *reader) error {
		return r.whole(func(name, path string) error {
			switch name {
			case "method":
				return r.string(path, &q.Method)
			case "seed":
				return r.int64(path, &q.Seed)
			}
			return r.unknown(path)
		})
	})
	if err != nil {
		return err
	}
	run, err := s.options.Runs.Start(c.Request.Context(), q)
	if err != nil {
		return err
	}
	c.Header("Location", "/v1/align/runs/"+run.ID)
	reply(c, http.StatusAccepted, run)
	return nil
}

// runs lists the newest runs.
func (s *Server) runs(c *gin.Context) error {
	if err := s.needs(s.options.Runs != nil); err != nil {
		return err
	}
	if err := onlyQuery(c, "limit"); err != nil {
		return err
	}
	limit, err := limitOf(c, 20, 1000)
	if err != nil {
		return err
	}
	runs, err := s.options.Runs.Runs(c.Request.Context(), limit)
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, wireList[Run]{Object: "list", Data: append([]Run{}, runs...)})
	return nil
}

// run describes one.
func (s *Server) run(c *gin.Context) error {
	if err := s.needs(s.options.Runs != nil); err != nil {
		return err
	}
	run, err := s.options.Runs.Run(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, run)
	return nil
}

// promote makes the result of a run live.
func (s *Server) promote(c *gin.Context) error {
	if err := s.needs(s.options.Releases != nil); err != nil {
		return err
	}
	var run string
	err := s.readOptional(c, func(r *reader) error {
		return r.whole(func(name, path string) error {
			if name == "run" {
				return r.string(path, &run)
			}
			return r.unknown(path)
		})
	})
	if err != nil {
		return err
	}
	alias, err := s.options.Releases.Promote(c.Request.Context(), run)
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, alias)
	return nil
}

// rollback makes the previous release live again.
func (s *Server) rollback(c *gin.Context) error {
	if err := s.needs(s.options.Releases != nil); err != nil {
		return err
	}
	err := s.readOptional(c, func(r *reader) error {
		return r.whole(func(_, path string) error { return r.unknown(path) })
	})
	if err != nil {
		return err
	}
	alias, err := s.options.Releases.Rollback(c.Request.Context())
	if err != nil {
		return err
	}
	reply(c, http.StatusOK, alias)
	return nil
}

func (s *Server) needs(there bool) error {
	if !there {
		return &chat.Error{Kind: chat.Unavailable, Msg: "this server does not run alignment"}
	}
	return nil
}
