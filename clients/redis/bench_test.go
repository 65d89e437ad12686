package redis_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"plumb/clients/redis"
)

// BenchmarkPutEvent has some number of callers vote as fast as they can at the real Redis; p99 is how long the slowest
// hundredth waited.
func BenchmarkPutEvent(b *testing.B) {
	url := os.Getenv(realRedis)
	if url == "" {
		b.Skipf("set %s=redis://host:port/db to measure a real Redis", realRedis)
	}
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, err := redis.Open(redis.Options{URL: url, Prefix: fmt.Sprintf("plumb-bench-%d", time.Now().UnixNano())})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var n atomic.Int64
			waited := make([]time.Duration, b.N)
			b.SetParallelism(callers)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					i := n.Add(1) - 1
					began := time.Now()
					if _, _, err := s.PutEvent(context.Background(), vote(fmt.Sprintf("u-%d", i), 1)); err != nil {
						b.Error(err)
					}
					waited[i] = time.Since(began)
				}
			})
			b.StopTimer()
			slices.Sort(waited)
			b.ReportMetric(float64(len(waited))/b.Elapsed().Seconds(), "writes/s")
			b.ReportMetric(float64(waited[len(waited)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
