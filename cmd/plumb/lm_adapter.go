package main

import (
	"path/filepath"

	"plumb/lm/gguf"
)

// LMConvertAdapterCmd is "plumb lm convert-adapter".
type LMConvertAdapterCmd struct {
	Model    ModelFile `help:"GGUF file of the base, or ollama:NAME in Ollama's store." required:"" placeholder:"FILE"`
	Adapter  string    `help:"GGUF adapter, or folder of a PEFT adapter." required:"" placeholder:"PATH" type:"path"`
	Out      string    `help:"Where to write it: a GGUF file if the name ends in .gguf, else a PEFT folder, which must not be there yet." required:"" placeholder:"PATH" type:"path"`
	BaseName string    `help:"Hugging Face id or folder of the base, as the PEFT folder is to name it." placeholder:"NAME"`
}

// Run implements the command.
func (cmd *LMConvertAdapterCmd) Run(c *Context) error {
	m, ad, err := openAdapted(cmd.Model, cmd.Adapter, 0)
	if err != nil {
		return err
	}
	defer m.Close()
	form := "peft"
	if filepath.Ext(cmd.Out) == ".gguf" {
		form = "gguf"
		err = ad.WriteFile(cmd.Out, m, gguf.Pair{Key: "plumb.base", Value: m.Digest()})
	} else {
		err = ad.WritePEFT(cmd.Out, m, cmd.BaseName)
	}
	if err != nil {
		return err
	}
	return printJSON(c.Stdout, map[string]any{"out": cmd.Out, "form": form, "rank": ad.Rank, "alpha": ad.Alpha, "tensors": len(ad.Tensors)})
}
