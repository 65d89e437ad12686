package sqlite_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"plumb/clients/sqlite"
	"plumb/feedback/feedbacktest"
)

// BenchmarkPutEvent has some number of callers vote as fast as they can; p99 is how long the slowest hundredth waited.
func BenchmarkPutEvent(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s, err := sqlite.Open(b.TempDir()+"/plumb.db", sqlite.Options{})
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
					if _, _, err := s.PutEvent(context.Background(), vote(int(i))); err != nil {
						b.Error(err)
					}
					waited[i] = time.Since(began)
				}
			})
			b.StopTimer()
			report(b, waited)
		})
	}
}

// BenchmarkSteadyLoad puts one vote a millisecond while generations of 8 candidates are written at the same rate.
func BenchmarkSteadyLoad(b *testing.B) {
	s, err := sqlite.Open(b.TempDir()+"/plumb.db", sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	waited := make([]time.Duration, b.N)
	done := make(chan struct{}, 2*b.N)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range b.N {
		<-tick.C
		go func() {
			defer func() { done <- struct{}{} }()
			began := time.Now()
			if _, _, err := s.PutEvent(context.Background(), vote(i)); err != nil {
				b.Error(err)
			}
			waited[i] = time.Since(began)
		}()
		go func() {
			defer func() { done <- struct{}{} }()
			if _, err := s.PutGeneration(context.Background(), feedbacktest.NewGeneration(fmt.Sprintf("chatcmpl-%d", i), "u-1", 8)); err != nil {
				b.Error(err)
			}
		}()
	}
	for range 2 * b.N {
		<-done
	}
	report(b, waited)
}

func report(b *testing.B, waited []time.Duration) {
	slices.Sort(waited)
	b.ReportMetric(float64(len(waited))/b.Elapsed().Seconds(), "writes/s")
	b.ReportMetric(float64(waited[len(waited)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(waited[len(waited)*99/100].Microseconds())/1000, "p99-ms")
}
