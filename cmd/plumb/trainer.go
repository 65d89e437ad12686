package main

import (
	"strings"

	"plumb/offline"
	"plumb/offline/trl"
)

// TrainerFlags say who trains a run's adapter.
type TrainerFlags struct {
	Trainer          string  `help:"Who trains: empty is this program; trl starts another one, on whatever machine, and takes its adapter back." placeholder:"NAME"`
	TrainerModel     string  `help:"trl: the base model in Hugging Face's form, by id or folder: the same weights as the GGUF file." placeholder:"MODEL"`
	TrainerCommand   string  `help:"trl: what starts the script: words with spaces between; the script and its job are added." default:"accelerate launch" placeholder:"WORDS"`
	TrainerDir       string  `help:"trl: folder that the trainer's machine sees too; each run has its own in it. Empty: the run's folder." placeholder:"DIR" type:"path"`
	TrainerPrecision string  `help:"trl: type of the base's weights while it trains." default:"float32" enum:"float32,bfloat16"`
	TrainerPerDevice int     `help:"trl: rows on one device at once; 0 spreads a batch over the devices." default:"0"`
	TrainerTolerance float64 `help:"trl: largest difference between its log-probs and ours, in nats a token; more means another model." default:"0.05"`
}

// set puts the flags into a run's configuration. What is for another trainer than the one that trains is left out.
func (f *TrainerFlags) set(c *offline.Config) {
	if c.Trainer = f.Trainer; c.Trainer == "" {
		return
	}
	c.TRL = trl.Config{Model: f.TrainerModel, Precision: f.TrainerPrecision, PerDevice: f.TrainerPerDevice, Tolerance: f.TrainerTolerance}
}

func (f *TrainerFlags) launch() trl.Launch {
	return trl.Launch{Command: strings.Fields(f.TrainerCommand), Dir: f.TrainerDir}
}

// AlignRenderCmd is "plumb align render".
type AlignRenderCmd struct {
	For       string `help:"accelerate: a shell command; ray: the same for Ray's job server; k8s: a Job for Kubernetes." required:"" placeholder:"WHERE" enum:"accelerate,ray,k8s"`
	Folder    string `arg:"" help:"Folder of the run's training as the cluster sees it: the run's name in --trainer-dir."`
	GPUs      int    `name:"gpus" help:"GPUs, a process each." default:"1"`
	Address   string `help:"ray: URL of the dashboard." default:"http://127.0.0.1:8265" placeholder:"URL"`
	Image     string `help:"k8s: container image with torch, trl, transformers, peft, accelerate and datasets." placeholder:"IMAGE"`
	Claim     string `help:"k8s: persistent volume claim that the folder lies in." placeholder:"NAME"`
	Mount     string `help:"k8s: where the claim is mounted. Empty: the folder above." placeholder:"DIR"`
	Namespace string `help:"k8s: namespace of the job. Empty: kubectl's own." placeholder:"NAME"`
}

func (cmd *AlignRenderCmd) cluster() trl.Cluster {
	return trl.Cluster{For: cmd.For, Folder: cmd.Folder, Processes: cmd.GPUs, Address: cmd.Address, Image: cmd.Image, Claim: cmd.Claim, Mount: cmd.Mount, Namespace: cmd.Namespace}
}

// Validate implements kong's check of the parsed flags.
func (cmd *AlignRenderCmd) Validate() error { return cmd.cluster().Check() }

// Run implements the command.
func (cmd *AlignRenderCmd) Run(c *Context) error { return cmd.cluster().Render(c.Stdout) }
