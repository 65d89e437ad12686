package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// slowest is how long one write to a client may take. (Not every writer can have a deadline; a server's can.)
const slowest = 30 * time.Second

// buffers hold encoded replies for as long as it takes to write them.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// reply writes v as JSON. It is encoded whole first, so that what cannot be encoded is a 500 and not half an answer.
func reply(c *gin.Context, status int, v any) {
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := encode(b, v); err != nil {
		panic(err) // a type that JSON cannot say: a fault of ours, which the recovery logs
	}
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(slowest))
	c.Data(status, "application/json; charset=utf-8", b.Bytes())
}

// encode appends the JSON of v and a newline, with < > & as they are.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// orNil returns nil for the zero value and else a pointer to v, which JSON writes as null and as v.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
