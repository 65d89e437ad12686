#!/usr/bin/env python3
"""Runs "plumb bench lm" and ollama.py in turn on the same model, and prints both and their ratios as a line of JSON.

usage: alternate.py --base FILE [--plumb FILE] [--rounds N] [--exact] [--url URL] [--model NAME] [--threads N]

Neither can be lucky with the hour that way: each round measures both, the order changing from round to round, and a ratio is the
median of the rounds' ratios, above 1 where plumb is faster. Let nothing else run. Needs Python 3.9 and a running Ollama, as ollama.py does.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def measure(command):
    """Returns tokens/s by the name of the figure, from the last line that a command prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return {f["name"]: f["tokens_s"]["median"] for f in last["figures"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--plumb", default="./plumb")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--model", default="smollm2:135m")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    threads = ["--threads", str(args.threads)] if args.threads else []
    ours = [args.plumb, "bench", "lm", "--base", args.base, "--repetitions", "1", "--json"] + ["--exact"] * args.exact + threads
    theirs = [sys.executable, str(HERE / "ollama.py"), "--url", args.url, "--model", args.model, "--repetitions", "1"] + threads
    rounds = []
    for number in range(args.rounds):
        if number % 2 == 0:
            plumb, ollama = measure(ours), measure(theirs)
        else:
            ollama, plumb = measure(theirs), measure(ours)
        rounds.append((plumb, ollama))
        print(f"round {number + 1}/{args.rounds}: " + ", ".join(f"{name} {plumb[name] / ollama[name]:.2f}" for name in ollama), file=sys.stderr)
    figures = []
    for name in rounds[0][1]:
        plumb, ollama = [p[name] for p, _ in rounds], [o[name] for _, o in rounds]
        ratios = [p / o for p, o in zip(plumb, ollama)]
        figures.append({
            "name": name, "plumb": statistics.median(plumb), "ollama": statistics.median(ollama),
            "ratio": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        })
    print(json.dumps({"model": args.model, "rounds": args.rounds, "figures": figures}))


if __name__ == "__main__":
    main()
