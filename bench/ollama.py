#!/usr/bin/env python3
"""Measures a running Ollama as "plumb bench lm" measures plumb's engine, and prints the figures as a line of JSON.

usage: ollama.py [--url URL] [--model NAME] [--repetitions N] [--tokens N] [--threads N]

Needs Python 3.9 and nothing else. The server should run with OLLAMA_NUM_PARALLEL=8, else replies wait for each other.
Speeds are tokens over the time that a client waits, medians with the lowest and highest. Prompts are plain text without a
template and each is new, so that no cache helps; a first round only warms up.
"""

import argparse
import json
import random
import statistics
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

WORDS = (
    "house water tree road night day dog bird hand door king child stone river fire wind book city "
    "ship friend garden mother winter summer morning mountain field horse star cloud"
).split()
SHORT, LONG = 16, 350  # tokens of prompts, more or less


class Server:
    def __init__(self, args):
        self.args = args
        self.prompts = 0

    def prompt(self, tokens):
        """A text that begins like no other; these words are mostly a token each."""
        self.prompts += 1
        choose = random.Random(self.prompts)
        return f"{self.prompts}: " + " ".join(choose.choice(WORDS) for _ in range(tokens - 4))

    def generate(self, prompt, seed, tokens):
        options = {"num_predict": tokens, "temperature": 1, "seed": seed}
        if self.args.threads:
            options["num_thread"] = self.args.threads
        body = {"model": self.args.model, "prompt": prompt, "raw": True, "stream": False, "options": options}
        request = urllib.request.Request(self.args.url + "/api/generate", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def at_once(self, prompts, tokens):
        """Draws a reply to each prompt, all at once, and returns the replies and the seconds."""
        with ThreadPoolExecutor(len(prompts)) as pool:
            begun = time.monotonic()
            replies = list(pool.map(lambda p: self.generate(p[1], p[0], tokens), enumerate(prompts)))
            return replies, time.monotonic() - begun

    def read(self, tokens):
        replies, seconds = self.at_once([self.prompt(tokens)], 1)
        return replies[0]["prompt_eval_count"] / seconds

    def draw(self, prompts):
        replies, seconds = self.at_once(prompts, self.args.tokens)
        return sum(r["eval_count"] for r in replies) / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:11434")
    parser.add_argument("--model", default="smollm2:135m")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64, help="most of each reply")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves them to the server")
    args = parser.parse_args()
    server = Server(args)
    tasks = {
        f"prompt of {LONG}": lambda: server.read(LONG),
        "1 reply": lambda: server.draw([server.prompt(SHORT)]),
        "8 replies": lambda: server.draw([server.prompt(SHORT)] * 8),
        f"8 replies, prompt of {LONG}": lambda: server.draw([server.prompt(LONG)] * 8),
        "8 replies to 8 prompts": lambda: server.draw([server.prompt(SHORT) for _ in range(8)]),
    }
    speeds = {name: [] for name in tasks}
    for repetition in range(args.repetitions + 1):
        for name, run in tasks.items():
            speed = run()
            if repetition > 0:
                speeds[name].append(speed)
    with urllib.request.urlopen(args.url + "/api/version") as reply:
        version = json.load(reply)["version"]
    figures = [{"name": n, "tokens_s": {"median": statistics.median(s), "low": min(s), "high": max(s)}} for n, s in speeds.items()]
    print(json.dumps({"ollama": version, "model": args.model, "figures": figures}))


if __name__ == "__main__":
    main()
