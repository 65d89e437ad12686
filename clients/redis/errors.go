package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"plumb/chat"
)

// away are the first words of replies with which Redis says that it cannot do it now.
var away = []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "BUSY",
	"NOAUTH", "WRONGPASS", "NOPERM", "ERR max number of clients"}

// fail wraps an error of the client so that a caller can branch on it: Unavailable for a Redis that is away or cannot
// write, Internal for an answer that makes no sense. Errors that have a kind already and those of contexts pass through;
// nil stays nil.
func fail(doing string, err error) error {
	var known *chat.Error
	var reply redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &reply) && !isAway(reply):
		return &chat.Error{Kind: chat.Internal, Msg: doing, Cause: err}
	}
	return &chat.Error{Kind: chat.Unavailable, Msg: doing + ": redis is away", Cause: err}
}

func isAway(reply redis.Error) bool {
	for _, word := range away {
		if strings.HasPrefix(reply.Error(), word) {
			return true
		}
	}
	return errors.Is(reply, redis.ErrClosed)
}

// damaged is the error for what was stored and cannot be read.
func damaged(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &chat.Error{Kind: chat.Internal, Msg: doing, Cause: err}
}

func notFound(param, what, id string) error {
	return &chat.Error{Kind: chat.NotFound, Param: param, Msg: fmt.Sprintf("%s %q is not known", what, id)}
}

// scriptAnswered is the error for an answer of a form that no script of ours gives.
func scriptAnswered(answer any, err error) error {
	return errors.Join(fmt.Errorf("the script answered %v", answer), err)
}
