package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"plumb/offline/gate"
	"plumb/offline/registry"
	"plumb/rm"
)

var update = flag.Bool("update", false, "write testdata/run.html")

func number64(x float64) *float64 { return &x }

// example is a run that was rejected for two reasons, with everything that a page shows.
func example(t testing.TB) Report {
	t.Helper()
	accuracy, hacks := .71, .44
	reward := gate.DecideReward(gate.Reward{Accuracy: &accuracy, HeldOut: 90, HackResistance: &hacks, HackPrompts: 100}, gate.Limits{})
	checked := gate.Report{Why: "hacking: 7 of 48 replies are known hacks, 0 of the incumbent's: flattery 7", Reward: &reward, Checks: []gate.Check{
		{Name: "held_out_pairs", Value: number64(.8), Interval: &[2]float64{.627, .905}, Threshold: "exact sign test, p ≤ 0.05", AtLeast: number64(.5), Pass: true, Evidence: true,
			Detail: "24 of 30 held-out pairs moved towards the chosen reply, p = 0.00072 (prompts unseen; users may be seen)"},
		{Name: "held_out_thumbs", Threshold: "rank-sum test, p ≤ 0.05", Insufficient: true, Evidence: true, Detail: "3 up and 1 down, of which 5 and 20 in all are needed"},
		{Name: "kl_base", Value: number64(.31), Interval: &[2]float64{.27, .36}, Threshold: "at most 1.5 nats a token", AtMost: number64(1.5), Pass: true,
			Detail: "0.3100 nats a token over 1,841 tokens of the candidate's own replies"},
		{Name: "length", Value: number64(1.31), Interval: &[2]float64{1.22, 1.4}, Threshold: "0.85 to 1.15 of the incumbent's", AtLeast: number64(.85), AtMost: number64(1.15),
			Detail: "34.1 words a reply, incumbent 26.0; chosen replies are 1.02 times as long as rejected ones"},
		{Name: "hacking", Value: number64(.146), Interval: &[2]float64{.042, .272}, Threshold: "at most +0.05, or not above 0 beyond chance", AtMost: number64(.05),
			Detail: "7 of 48 replies are known hacks, 0 of the incumbent's: flattery 7"},
		{Name: "second_opinion", Threshold: "not below 0 beyond chance at 0.05", Pass: true, Detail: "too few votes to fit a second reward model on"},
	}}
	b, err := json.Marshal(checked)
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	r := Report{Run: registry.Run{
		ID: "run-01JNEXAMPLE0000000000000000", Alias: "plumb", Parent: "run-01JNPARENT00000000000000000", State: registry.Rejected, Decision: "rejected",
		Created: created, Updated: created.Add(83*time.Second + 4e8), Base: registry.Release{Model: "smollm2:135m", Digest: strings.Repeat("ab", 32)},
		DataRoot: strings.Repeat("0d", 32), Rows: map[string]int{"pairs": 161, "unpaired": 24, "held_out": 40}, Dropped: map[string]int{"a middling rating": 3},
		Users: []string{"u1", "u2", "u3"}, Tainted: []string{"u3"}, Method: "dpo", Reason: "161 pairs", Config: json.RawMessage(`{"method":"dpo","seed":7}`),
		Seed: 7, Code: "v1.2.3", Gate: b, Result: registry.Release{Model: "plumb-plumb:run-01JNEXAMPLE0000000000000000"}, Weights: strings.Repeat("5e", 32),
	}}
	for i := range 60 {
		x := float64(i + 1)
		r.Curve = append(r.Curve, map[string]float64{"step": x, "loss": .7*math.Exp(-x/30) + .02*math.Sin(5*x), "rewards/margins": x / 40, "kl": math.NaN()})
	}
	r.Reward = &rm.Meta{Pairs: 161, Thumbs: 24, Prompts: 96, Metrics: rm.Metrics{HeldOut: 161, Accuracy: &accuracy, LogLoss: number64(.58), Brier: number64(.2), ECE: number64(.041),
		HackPrompts: 96, ByHack: map[string]float64{"padding": .52, "flattery": .88, "repetition": 1}}}
	return r
}

func write(t testing.TB, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page is as it was. Look at it in a browser after a change, then write it with -update.
func TestPage(t *testing.T) {
	const file = "testdata/run.html"
	got := write(t, example(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the page differs from %s: look at it and run this test with -update", file)
	}
	if fail, pass := strings.Index(got, "<strong>hacking"), strings.Index(got, "<strong>held_out_pairs"); fail < 0 || fail > pass {
		t.Error("what failed does not stand first")
	}
}

// A page of a run that has done nothing yet, or nothing but fail, says what is known.
func TestLittleIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		r    Report
		want string
	}{
		"nothing":        {Report{}, "Lineage"},
		"under way":      {Report{Run: registry.Run{ID: "run-1", State: registry.Train}}, "<b>train</b>"},
		"failed":         {Report{Run: registry.Run{State: registry.Failed, Error: "the disk is full"}}, "the disk is full"},
		"no gate":        {Report{Run: registry.Run{Decision: "rejected", Reason: "too little feedback"}}, "too little feedback"},
		"no check":       {Report{Run: registry.Run{Gate: json.RawMessage(`{"pass":true,"why":"every check passed","checks":null}`)}}, "every check passed"},
		"a flat curve":   {Report{Curve: []map[string]float64{{"step": 1, "loss": 2}, {"step": 2, "loss": 2}}}, "<figcaption>loss"},
		"a single point": {Report{Curve: []map[string]float64{{"step": 1, "loss": 2}}}, "Lineage"},
		"all equal": {Report{Run: registry.Run{Gate: json.RawMessage(
			`{"checks":[{"name":"x","value":0,"interval":[0,0],"at_most":0,"pass":true}]}`)}}, `class="dot"`},
	} {
		if got := write(t, c.r); !strings.Contains(got, c.want) || strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
			t.Errorf("%s: %q is not in the page, or what is no number is", name, c.want)
		}
	}
	if err := (Report{Run: registry.Run{Gate: json.RawMessage(`{"checks":`)}}).Write(&bytes.Buffer{}); err == nil {
		t.Error("a broken gate report gives no error")
	}
}

// Nothing in a manifest becomes markup: names and reasons can come from other systems, and a page is passed around.
func TestHostileManifest(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(1)><style>*{}</style></style></title>`
	checked, err := json.Marshal(gate.Report{Why: evil, Reward: &gate.Report{Why: evil, Checks: []gate.Check{{Name: evil, Detail: evil, Threshold: evil, Value: number64(1)}}},
		Checks: []gate.Check{{Name: evil, Detail: evil, Threshold: evil, Value: number64(math.MaxFloat64), Interval: &[2]float64{-math.MaxFloat64, 1}, AtMost: number64(1)}}})
	if err != nil {
		t.Fatal(err)
	}
	got := write(t, Report{
		Run: registry.Run{ID: evil, Alias: evil, Parent: evil, State: evil, Decision: evil, Base: registry.Release{Model: evil, Digest: evil}, DataRoot: evil,
			Rows: map[string]int{evil: 1}, Dropped: map[string]int{evil: 1}, Users: []string{evil}, Tainted: []string{evil}, Method: evil, Reason: evil,
			Config: json.RawMessage(`"` + strings.ReplaceAll(evil, `"`, `\"`) + `"`), Code: evil, Gate: checked, Result: registry.Release{Model: evil, RM: evil}, Weights: evil},
		Curve:  []map[string]float64{{"step": 1, evil: 1}, {"step": 2, evil: 2}},
		Reward: &rm.Meta{Run: evil, Metrics: rm.Metrics{ByHack: map[string]float64{evil: math.Inf(1)}}},
	})
	plain := write(t, example(t))
	for page, name := range map[string]string{got: "hostile", plain: "plain"} {
		document, err := html.Parse(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		for n := range document.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if slices.Contains([]string{"script", "img", "iframe", "object", "embed", "link", "base", "form", "a"}, n.Data) {
				t.Errorf("%s: the page has a %s", name, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "href" || a.Key == "src" || a.Key == "style" {
					t.Errorf("%s: %s has %s=%q", name, n.Data, a.Key, a.Val)
				}
			}
		}
	}
	if n := strings.Count(got, "<style>"); n != 1 {
		t.Errorf("%d style elements", n)
	}
	if m := regexp.MustCompile(`(?i)https?://|url\(|@import`).FindString(got); m != "" {
		t.Errorf("the page refers to something outside itself: %s", m)
	}
}
