#!/usr/bin/env python3
"""Measures DPO with TRL as "plumb bench train" measures plumb's trainer, and prints the figures as a line of JSON.

usage: trl_dpo.py MODEL [--steps N] [--threads N]

MODEL is a GGUF file, whose weights become float32, or what Transformers loads. An adapter of rank 16 on all linear maps, 4 pairs a step,
227 tokens a side of which about half are the prompt, float32, on the processor. The first step only warms up.

Made for: pip install trl==1.16.0 transformers==5.24.0 peft==0.21.2 torch==2.15.0 gguf==0.19.0 accelerate datasets
"""

import argparse
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time

WORDS = (
    "house water tree road night day dog bird hand door king child stone river fire wind book city "
    "ship friend garden mother winter summer morning mountain field horse star cloud"
).split()
PAIRS, TOKENS, RANK = 4, 227, 16


def load(name):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": name}
    if name.endswith(".gguf"):
        where = {"pretrained_model_name_or_path": os.path.dirname(os.path.abspath(name)), "gguf_file": os.path.basename(name)}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # Transformers refuses to train what came from a quantised file, though the weights are float32 by now.
    model.is_quantized, model.hf_quantizer = False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, AutoTokenizer.from_pretrained(**where)


def rows(tokenizer, n):
    """Texts whose prompts are half of a side and whose replies are longer than the limit on tokens, which cuts them: each
    side has exactly as many."""
    choose = random.Random(1)

    def words(tokens):
        text = ""
        while len(tokenizer(text).input_ids) < tokens:
            text += " " + choose.choice(WORDS)
        return text

    return [{"prompt": words(TOKENS // 2), "chosen": words(TOKENS), "rejected": words(TOKENS)} for _ in range(n)]


def peak_rss():
    """The most bytes in memory."""
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(args):
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    import peft
    import transformers
    import trl
    from datasets import Dataset

    class Clock(transformers.TrainerCallback):
        seconds = []

        def on_step_begin(self, *_, **__):
            self.begun = time.monotonic()

        def on_step_end(self, *_, **__):
            self.seconds.append(time.monotonic() - self.begun)

    model, tokenizer = load(args.model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.DPOTrainer(
            model=model,
            args=trl.DPOConfig(
                output_dir=folder, per_device_train_batch_size=PAIRS, max_steps=args.steps + 1, max_length=TOKENS,
                learning_rate=1e-4, lr_scheduler_type="constant", beta=0.1, bf16=False, gradient_checkpointing=False,
                use_cpu=True, save_strategy="no", report_to="none", disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows(tokenizer, PAIRS * (args.steps + 1))),
            processing_class=tokenizer,
            peft_config=peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Clock()],
        )
        trainer.train()
    speeds = [PAIRS / s for s in Clock.seconds[1:]]
    median = statistics.median(speeds)
    return {
        "trl": trl.__version__, "torch": torch.__version__, "threads": torch.get_num_threads(), "model": os.path.basename(args.model),
        "pairs": PAIRS, "tokens": TOKENS, "parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "pairs_s": {"median": median, "low": min(speeds), "high": max(speeds)}, "tokens_s": 2 * TOKENS * median, "peak_rss": peak_rss(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 leaves them to torch")
    args = parser.parse_args()
    if args.steps < 1:
        sys.exit("--steps: want at least 1")
    print(json.dumps(measure(args)))


if __name__ == "__main__":
    main()
