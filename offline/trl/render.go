package trl

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"plumb/chat"
)

// Cluster says where a training is to run. Render prints what starts it there; nothing is started.
type Cluster struct {
	For       string   // accelerate, ray or k8s
	Folder    string   // of the training, as the machines of the cluster see it
	Processes int      // one a GPU; 1
	Command   []string // what starts the script there; nil means accelerate launch
	Address   string   // ray: of the dashboard; http://127.0.0.1:8265
	Image     string   // k8s: a container image with the packages of [Requirements]
	Claim     string   // k8s: the persistent volume claim that the folder lies in
	Mount     string   // k8s: where the claim is mounted; the folder's parent
	Namespace string   // k8s: the command line's own if empty
}

// requirements are the packages that train.py was tested with; torch is what fits the machine.
var requirements = []string{"trl==1.16.0", "transformers==5.23.0", "peft==0.21.2", "accelerate", "datasets"}

//go:embed render.tmpl
var renderText string

var renderTemplate = template.Must(template.New("").Funcs(template.FuncMap{"sh": shellWord, "yaml": yamlText}).Parse(renderText))

// clusters are what Render knows.
var clusters = []string{"accelerate", "ray", "k8s"}

// Render writes the command or file that starts the training: a shell command for accelerate and for Ray's job server, a Job for
// Kubernetes. Equal fields give equal bytes.
func (c Cluster) Render(w io.Writer) error {
	if err := c.Check(); err != nil {
		return err
	}
	if c.Processes == 0 {
		c.Processes = 1
	}
	if c.Address == "" {
		c.Address = "http://127.0.0.1:8265"
	}
	if c.Mount == "" {
		c.Mount = path.Dir(c.Folder)
	}
	var b bytes.Buffer
	if err := renderTemplate.ExecuteTemplate(&b, c.For, c); err != nil {
		return fmt.Errorf("render training: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Check reports everything that is wrong, as an error of kind Invalid.
func (c Cluster) Check() error {
	var wrong []string
	want := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	want(slices.Contains(clusters, c.For), "for: got %q, want one of %s", c.For, strings.Join(clusters, ", "))
	want(path.IsAbs(c.Folder) && path.Clean(c.Folder) == c.Folder && c.Folder != "/", "folder: got %q, want an absolute path, as the cluster sees it", c.Folder)
	want(c.Name() != "plumb-", "folder: %q makes no name", path.Base(c.Folder))
	want(c.Processes >= 0 && c.Processes <= 1<<12, "gpus: got %d, want 1 … 4096", c.Processes)
	if c.For == "k8s" {
		want(c.Image != "", "image: must name a container image with torch, trl, transformers, peft and accelerate")
		want(c.Claim != "", "claim: must name the persistent volume claim that the folder lies in")
		want(c.Mount == "" || path.IsAbs(c.Mount) && within(c.Folder, c.Mount), "mount: got %q, want a folder above %s", c.Mount, c.Folder)
		want(len(c.Name()) <= 63, "folder: %q makes a name of more than 63 characters", path.Base(c.Folder))
	}
	if len(wrong) == 0 {
		return nil
	}
	return &chat.Error{Kind: chat.Invalid, Msg: "render training: " + strings.Join(wrong, "; ")}
}

func within(folder, above string) bool {
	return strings.HasPrefix(folder+"/", strings.TrimSuffix(path.Clean(above), "/")+"/")
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Name is what the training is called on the cluster, by its folder: small letters, digits and hyphens.
func (c Cluster) Name() string {
	return "plumb-" + strings.Trim(notInNames.ReplaceAllString(strings.ToLower(path.Base(c.Folder)), "-"), "-")
}

// Words is the command that runs on the cluster.
func (c Cluster) Words() []string {
	words := c.Command
	if len(words) == 0 {
		words = []string{"accelerate", "launch", "--num_processes", fmt.Sprint(c.Processes)}
	}
	return append(slices.Clone(words), path.Join(c.Folder, scriptFile), path.Join(c.Folder, jobFile))
}

// Shell is the command as a shell reads it.
func (c Cluster) Shell() string {
	var words []string
	for _, w := range c.Words() {
		words = append(words, shellWord(w))
	}
	return strings.Join(words, " ")
}

// Requirements are the packages that train.py was tested with, as pip reads them.
func (c Cluster) Requirements() []string { return requirements }

// RuntimeEnv is Ray's runtime environment, in JSON without spaces.
func (c Cluster) RuntimeEnv() string {
	b, err := json.Marshal(map[string][]string{"pip": requirements})
	if err != nil {
		panic("trl: strings do not marshal: " + err.Error())
	}
	return string(b)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// shellWord quotes a word for a shell where it needs it.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// yamlText writes a string for YAML, of which JSON's strings are a part.
func yamlText(s string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return strings.TrimSpace(b.String()), err
}
