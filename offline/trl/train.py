"""Train the adapter of one run with TRL: `python train.py job.json`, alone or under accelerate.

Reads job.json and rows.jsonl beside it. Writes check.jsonl, the log-probs of a few rows before the training and after it,
and adapter/, a PEFT folder that appears whole and says that the training is done. Lines of standard output that are JSON
objects with the key "plumb" tell how far it is. Started again after an interruption it goes on from its last checkpoint;
started again when it is done it does nothing. Tested with TRL 1.16, transformers 5.23, PEFT 0.21 and torch 2.13.
"""

import dataclasses
import fcntl
import json
import math
import os
import shutil
import sys

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback, set_seed
from transformers.trainer_utils import get_last_checkpoint


class Folder:
    """The files of a training, beside job.json."""

    def __init__(self, job_file):
        self.dir = os.path.dirname(os.path.abspath(job_file))
        self.adapter = os.path.join(self.dir, "adapter")
        self.checkpoints = os.path.join(self.dir, "checkpoints")
        self.check = os.path.join(self.dir, "check.jsonl")
        with open(job_file, encoding="utf-8") as f:
            self.job = json.load(f)
        if self.job["format"] != 1:
            sys.exit(f"{job_file}: format {self.job['format']}; this script reads 1")

    def rows(self):
        with open(os.path.join(self.dir, "rows.jsonl"), encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def lock(self):
        """Waits for a training that is under way here: whoever started it may be gone."""
        handle = open(os.path.join(self.dir, "lock"), "w")
        fcntl.flock(handle, fcntl.LOCK_EX)
        return handle

    def write_check(self, reports):
        with open(self.check + ".new", "w", encoding="utf-8") as f:
            f.writelines(json.dumps(r) + "\n" for r in reports)
        os.replace(self.check + ".new", self.check)


def say(event, **fields):
    if PartialState().is_main_process:
        print(json.dumps({"plumb": event, **fields}), flush=True)


class Reporter(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in (logs or {}):  # the summary at the end
            return
        metrics = {k: float(v) for k, v in logs.items() if isinstance(v, (int, float)) and math.isfinite(v)}
        say("step", step=state.global_step, steps=state.max_steps, metrics=metrics)


def load(job):
    """The base model and its tokenizer; a model of another shape ends the program."""
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["precision"]))
    for name, want in job["shape"].items():
        have = getattr(model.config, name, None)
        if have != want:
            sys.exit(f"{job['model']} is not the model that is served: {name} is {have}, in the GGUF file {want}")
    return model, AutoTokenizer.from_pretrained(job["model"])


def sequence(tokenizer, exchange):
    """Tokens of prompt and reply as TRL makes them, and where the reply begins."""
    prompt = tokenizer.apply_chat_template(exchange["prompt"], add_generation_prompt=True, tokenize=True, return_dict=False)
    both = tokenizer.apply_chat_template(exchange["prompt"] + exchange["completion"], tokenize=True, return_dict=False)
    if both[: len(prompt)] != prompt:
        sys.exit("the chat template renders a prompt in another way once a reply follows it")
    return both, len(prompt)


@torch.no_grad()
def logprobs(model, sequences):
    """Sum of the log-probs of each reply's tokens, in nats."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    sums = []
    for tokens, start in sequences:
        ids = torch.tensor([tokens], device=device)
        logits = model(input_ids=ids).logits[0, start - 1 : -1].float()
        picked = torch.log_softmax(logits, -1).gather(-1, ids[0, start:, None])
        sums.append(picked.double().sum().item())
    model.train(training)
    return sums


def trainer_classes(name):
    """TRL's configuration and trainer; KTO has moved between releases."""
    if name == "sft":
        from trl import SFTConfig, SFTTrainer

        return SFTConfig, SFTTrainer
    if name == "dpo":
        from trl import DPOConfig, DPOTrainer

        return DPOConfig, DPOTrainer
    try:
        from trl import KTOConfig, KTOTrainer
    except ImportError:
        from trl.experimental.kto import KTOConfig, KTOTrainer
    return KTOConfig, KTOTrainer


def arguments(cls, folder):
    """The configuration of TRL's trainer. A setting that the installed TRL does not know ends the program: leaving it out
    would train something else."""
    job, devices = folder.job, PartialState().num_processes
    per_device = job["per_device"] or max(1, job["batch"] // devices)
    if job["batch"] % (per_device * devices):
        sys.exit(f"a batch of {job['batch']} rows does not divide among {devices} processes with {per_device} rows at once")
    settings = {
        "output_dir": folder.checkpoints,
        "per_device_train_batch_size": per_device,
        "gradient_accumulation_steps": job["batch"] // (per_device * devices),
        "num_train_epochs": job["epochs"],
        "learning_rate": job["lr"],
        "lr_scheduler_type": "constant_with_warmup" if job["schedule"] == "constant" and job["warmup"] else job["schedule"],
        "warmup_steps": job["warmup"],
        "weight_decay": job["decay"],
        "adam_beta2": job["beta2"],
        "max_grad_norm": job["clip"],
        "max_length": job["max_length"],
        "seed": job["seed"],
        "bf16": job["precision"] == "bfloat16",
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": 0.1,
        "save_total_limit": 1,
        "report_to": "none",
        "disable_tqdm": True,
    }
    if job["trainer"] == "dpo":
        settings |= {"beta": job["beta"], "loss_type": [job["loss"]], "label_smoothing": job["label_smoothing"]}
    elif job["trainer"] == "kto":
        settings |= {"beta": job["beta"], "loss_type": job["loss"], "desirable_weight": job["desirable"], "undesirable_weight": job["undesirable"]}
    else:
        settings |= {"completion_only_loss": True}
    unknown = set(settings) - {f.name for f in dataclasses.fields(cls)}
    if unknown:
        sys.exit(f"this TRL's {cls.__name__} has no {', '.join(sorted(unknown))}")
    return cls(**settings)


def train(folder):
    job = folder.job
    set_seed(job["seed"])
    model, tokenizer = load(job)
    sequences = [sequence(tokenizer, x) for x in job["check"]]
    config, trainer_class = trainer_classes(job["trainer"])
    trainer = trainer_class(
        model=model,
        args=arguments(config, folder),
        train_dataset=Dataset.from_list(folder.rows()),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=job["rank"], lora_alpha=job["alpha"], target_modules=job["targets"], task_type="CAUSAL_LM"),
        callbacks=[Reporter()],
    )
    # The adapter begins at nothing, so that this is the base.
    reports = [
        {"row": i, "tokens": tokens, "start": start, "base": base, "after": None}
        for i, ((tokens, start), base) in enumerate(zip(sequences, logprobs(trainer.model, sequences)))
    ]
    main = PartialState().is_main_process
    if main:
        folder.write_check(reports)
    say("base")
    last = get_last_checkpoint(folder.checkpoints) if os.path.isdir(folder.checkpoints) else None
    trainer.train(resume_from_checkpoint=last)
    for report, after in zip(reports, logprobs(trainer.model_wrapped, sequences)):
        report["after"] = after
    trainer.save_model(folder.adapter + ".new")
    if main:
        folder.write_check(reports)
        os.replace(folder.adapter + ".new", folder.adapter)
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    say("done")


def run():
    if len(sys.argv) != 2:
        sys.exit("usage: train.py job.json")
    folder, state = Folder(sys.argv[1]), PartialState()
    held = folder.lock() if state.is_main_process else None
    state.wait_for_everyone()
    if not os.path.isdir(folder.adapter):
        train(folder)
    if held:
        held.close()


if __name__ == "__main__":
    run()
