package offline

import (
	"context"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"plumb/chat"
)

// Schedule says when runs are to be made.
type Schedule struct {
	at cron.Schedule
}

// ParseSchedule reads an interval ("24h", at least a minute), or a cron expression of five fields ("0 3 * * *") or a word ("@daily"), in
// local time. What it cannot read is an error of kind Invalid.
func ParseSchedule(when string) (Schedule, error) {
	every, err := time.ParseDuration(when)
	if err == nil {
		if every < time.Minute {
			return Schedule{}, badSchedule(when, fmt.Errorf("want a minute or more"))
		}
		return Schedule{cron.Every(every)}, nil
	}
	at, err := cron.ParseStandard(when)
	if err != nil {
		return Schedule{}, badSchedule(when, fmt.Errorf("want an interval such as 24h, or a cron expression such as 0 3 * * *: %w", err))
	}
	return Schedule{at}, nil
}

func badSchedule(when string, err error) error {
	return &chat.Error{Kind: chat.Invalid, Param: "align_every", Msg: fmt.Sprintf("read schedule %q", when), Cause: err}
}

// Next returns the first time after t.
func (s Schedule) Next(t time.Time) time.Time { return s.at.Next(t) }

// Run calls do at each time of the schedule until ctx ends. A time that comes while do still works is left out. Several servers may
// run one schedule: the lease lets one of them work.
func (s Schedule) Run(ctx context.Context, do func(context.Context)) {
	for {
		next := s.at.Next(time.Now())
		if next.IsZero() { // a cron expression that never comes
			<-ctx.Done()
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			do(ctx)
		}
	}
}
