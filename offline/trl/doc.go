// Package trl has Hugging Face's TRL train the adapter of a run, on whatever machine the command that starts it reaches: the rows,
// a job and a script of this package's are written into a folder, a command is run on them, and the PEFT adapter that lies in the
// folder afterwards is read back. The same gate then judges it. No scheduler is here: accelerate, Ray or Kubernetes are.
//
// A folder of a training holds
//
//	rows.jsonl    the training rows in TRL's shapes, as messages
//	job.json      what is to be done with them, and a few rows to compare log-probs on
//	train.py      the script: command… train.py job.json
//	train.log     what the command said
//	check.jsonl   log-probs of those few rows, before the training and after it, as the trainer computes them
//	adapter/      the result, which appears whole; with it the training is done
//	checkpoints/  of the trainer, from which it goes on after an interruption
//
// The trainer has its own copy of the base model, in Hugging Face's form. That it is the same model as the GGUF file is not taken
// on trust: the shapes must be equal, the few rows must become the same tokens, and their log-probs must be equal within a
// tolerance, without the adapter before an hour of training is spent and with it before the result is used.
package trl
