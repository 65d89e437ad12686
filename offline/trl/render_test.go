package trl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"plumb/chat"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

func TestRender(t *testing.T) {
	for name, c := range map[string]Cluster{
		"accelerate": {For: "accelerate", Folder: "/shared/plumb/run-01JABC", Processes: 4},
		"spaces":     {For: "accelerate", Folder: "/shared/it's ours/run-01JABC", Command: []string{"python"}},
		"ray":        {For: "ray", Folder: "/shared/plumb/run-01JABC", Processes: 2, Address: "http://ray.example:8265"},
		"k8s": {For: "k8s", Folder: "/shared/plumb/run-01JABC", Processes: 8, Image: "registry.example/trl:1", Claim: "plumb-runs",
			Namespace: "ml"},
	} {
		var first, second bytes.Buffer
		if err := c.Render(&first); err != nil {
			t.Fatal(name, err)
		}
		if err := c.Render(&second); err != nil || first.String() != second.String() {
			t.Errorf("%s: rendered twice it differs, %v", name, err)
		}
		file := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(file, first.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != first.String() {
			t.Errorf("%s: got\n%s\nwant\n%s%v", name, first.String(), want, err)
		}
	}
}

// What a folder or an image is called stays one value of the manifest, whatever is in it.
func TestRenderQuotes(t *testing.T) {
	odd := "/x/\"y\": {z}\n - 'q'"
	var b bytes.Buffer
	c := Cluster{For: "k8s", Folder: odd, Image: "i\n  evil: true", Claim: "c"}
	if err := c.Render(&b); err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Metadata struct{ Name string }
		Spec     struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Image   string
						Command []string
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(b.Bytes(), &parsed); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	container := parsed.Spec.Template.Spec.Containers[0]
	if container.Image != c.Image || container.Command[len(container.Command)-1] != odd+"/job.json" || parsed.Metadata.Name != "plumb-y-z-q" {
		t.Errorf("%+v", parsed)
	}
}

func TestRenderRefuses(t *testing.T) {
	for want, c := range map[string]Cluster{
		"for: got":    {For: "slurm", Folder: "/x/y"},
		"folder: got": {For: "ray", Folder: "y"},
		"image: must": {For: "k8s", Folder: "/x/y", Claim: "c"},
		"claim: must": {For: "k8s", Folder: "/x/y", Image: "i"},
		"mount: got":  {For: "k8s", Folder: "/x/y", Image: "i", Claim: "c", Mount: "/x/yy"},
		"63":          {For: "k8s", Folder: "/x/" + strings.Repeat("y", 70), Image: "i", Claim: "c"},
		"gpus":        {For: "ray", Folder: "/x/y", Processes: -1},
	} {
		if err := c.Render(&bytes.Buffer{}); chat.KindOf(err) != chat.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
