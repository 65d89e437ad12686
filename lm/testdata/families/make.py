"""Makes what this folder holds: a tiny random model of each family, a LoRA for it, and log-probs and gradients in float64.

    python -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2 gguf==0.19.0 numpy==2.4.6
    venv/bin/python make.py

The oracle is transformers, with every float32 inside it (norms, softmax, rotary tables) made float64. The names of tensors are
gguf-py's. Weights are bfloat16 values stored as float32, so that the files compress.
"""
import gzip, json, math, os, shutil, zlib
import gguf, numpy as np, torch, transformers
from peft import LoraConfig, get_peft_model

torch.float32 = torch.float = torch.float64  # looked up when the models run
torch.Tensor.float = torch.Tensor.double
torch.set_default_dtype(torch.float64)

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, FFN, HEADS, KV, HEAD, VOCAB, EPS = 32, 48, 4, 2, 16, 99, 1e-6
SHAPE = dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_attention_heads=HEADS, num_key_value_heads=KV, head_dim=HEAD,
             rms_norm_eps=EPS, max_position_embeddings=256, bos_token_id=0, eos_token_id=1, pad_token_id=1, attn_implementation="eager")


def rope(kind="default", theta=100.0, **more):
    return dict(rope_type=kind, rope_theta=theta, **more)


def llama3_factors(p):
    """One factor a pair: what the frequencies are divided by."""
    freq = p["rope_theta"] ** -(np.arange(0, HEAD, 2) / HEAD)
    turns = p["original_max_position_embeddings"] * freq / (2 * math.pi)
    low, high, factor = p["low_freq_factor"], p["high_freq_factor"], p["factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)


YARN = rope("yarn", factor=4.0, original_max_position_embeddings=16, beta_fast=2.0, beta_slow=.5)
LLAMA3 = rope("llama3", factor=8.0, original_max_position_embeddings=32, low_freq_factor=1.0, high_freq_factor=4.0)
T = transformers

# name: (architecture of the file, Hugging Face's model, its configuration, keys of the file, whether q and k are permuted)
FAMILIES = {
    "llama3": ("llama", T.LlamaForCausalLM, T.LlamaConfig(**SHAPE, num_hidden_layers=2, rope_parameters=LLAMA3), {}, True),
    "llama-linear": ("llama", T.LlamaForCausalLM, T.LlamaConfig(**SHAPE, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=rope("linear", factor=3.0)),
                     {"rope.scaling.type": "linear", "rope.scaling.factor": 3.0}, True),
    "llama-yarn": ("llama", T.LlamaForCausalLM, T.LlamaConfig(**SHAPE, num_hidden_layers=2, rope_parameters=YARN),
                   {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 16,
                    "rope.scaling.yarn_beta_fast": 2.0, "rope.scaling.yarn_beta_slow": .5}, True),
    "mistral": ("llama", T.MistralForCausalLM, T.MistralConfig(**SHAPE, num_hidden_layers=2, sliding_window=5, rope_parameters=rope()),
                {"attention.sliding_window": 5}, True),
    "mistral3": ("mistral3", T.Ministral3ForCausalLM,
                 T.Ministral3Config(**SHAPE, num_hidden_layers=2, rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=.3)),
                 {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 16, "rope.scaling.yarn_beta_fast": 2.0,
                  "rope.scaling.yarn_beta_slow": .5, "rope.scaling.yarn_log_multiplier": 1.0, "attention.temperature_scale": .3}, True),
    "qwen2": ("qwen2", T.Qwen2ForCausalLM, T.Qwen2Config(**SHAPE | dict(num_attention_heads=2, num_key_value_heads=1), num_hidden_layers=2, rope_parameters=rope()), {}, False),
    "qwen3": ("qwen3", T.Qwen3ForCausalLM, T.Qwen3Config(**SHAPE, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=rope()), {}, False),
    "gemma2": ("gemma2", T.Gemma2ForCausalLM,
               T.Gemma2Config(**SHAPE, num_hidden_layers=3, sliding_window=5, query_pre_attn_scalar=HEAD, attn_logit_softcapping=1.5, final_logit_softcapping=4.0,
                              rope_parameters=rope()),
               {"attention.sliding_window": 5, "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0}, False),
    "gemma3": ("gemma3", T.Gemma3ForCausalLM,
               T.Gemma3TextConfig(**SHAPE, num_hidden_layers=6, sliding_window=5, query_pre_attn_scalar=HEAD,
                                  rope_parameters=dict(full_attention=rope("linear", theta=1e6, factor=8.0), sliding_attention=rope(theta=10000.0))),
               {"attention.sliding_window": 5, "rope.freq_base": 1e6, "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}, False),
}


def permute(w, heads):
    """Rows of q or k from rotary halves to neighbouring pairs: row h·S + s·S/2 + i becomes h·S + 2i + s."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


class Family:
    def __init__(self, name):
        self.name = name
        self.arch, build, self.config, self.keys, self.permuted = FAMILIES[name]
        self.seed = zlib.crc32(name.encode())
        self.random = torch.Generator().manual_seed(self.seed)
        self.model = build(self.config).double().eval()
        self.gemma = self.arch.startswith("gemma")
        arch = next(a for a, n in gguf.MODEL_ARCH_NAMES.items() if n == self.arch)
        self.names = gguf.get_tensor_name_map(arch, self.config.num_hidden_layers)
        for name, p in self.model.named_parameters():
            scale = .2 if "norm" in name else .35 if p.dim() > 1 else .5
            p.data = scale * self.draw(p.shape)
            if "norm" in name and not self.gemma:
                p.data += 1
            p.data = p.data.bfloat16().double()
        self.model.tie_weights()

    def draw(self, shape):
        return torch.randn(shape, generator=self.random)

    def stored(self, name, values):
        """Name and values as the file has them."""
        heads = {"q_proj": self.config.num_attention_heads, "k_proj": self.config.num_key_value_heads}
        for part, n in heads.items():
            if self.permuted and part in name:
                values = permute(values, n)
        return self.names.get_name(name, try_suffixes=(".weight", ".bias")), values

    def write_model(self):
        c, path = self.config, os.path.join(HERE, self.name + ".gguf")
        w = gguf.GGUFWriter(path, self.arch)
        w.add_context_length(256), w.add_embedding_length(c.hidden_size), w.add_block_count(c.num_hidden_layers), w.add_feed_forward_length(c.intermediate_size)
        w.add_head_count(c.num_attention_heads), w.add_head_count_kv(c.num_key_value_heads), w.add_layer_norm_rms_eps(EPS)
        w.add_key_length(HEAD), w.add_value_length(HEAD), w.add_rope_dimension_count(HEAD)
        for key, value in ({"rope.freq_base": 100.0} | self.keys).items():
            add = {int: w.add_uint32, float: w.add_float32, str: w.add_string}[type(value)]
            add(f"{self.arch}.{key}", value)
        w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre("gpt-2")
        w.add_token_list(["<s>", "</s>"] + [chr(b) for b in range(33, 127)] + ["\u0120", "ab", "abc"])
        w.add_token_types([3, 3] + 97 * [1]), w.add_token_merges(["a b", "ab c"]), w.add_bos_token_id(0), w.add_eos_token_id(1)
        if self.name == "llama3":
            w.add_tensor("rope_freqs.weight", llama3_factors(LLAMA3))
        for name, p in self.model.named_parameters():
            values = p.detach() + (1 if self.gemma and "norm" in name else 0)
            name, values = self.stored(name, values.numpy())
            w.add_tensor(name, np.ascontiguousarray(values, dtype=np.float32))
        w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
        return path

    def logprobs(self, model, ids, start):
        out = torch.log_softmax(model(torch.tensor([ids]), use_cache=False).logits[0], -1)
        return out[range(start - 1, len(ids) - 1), ids[start:]]

    def gradients(self, model, ids, start):
        """Log-probs of the completion and, of their mean's negative, norm, sum and some values of the gradient of each tensor."""
        model.zero_grad()
        logp = self.logprobs(model, ids, start)
        (-logp.mean()).backward()
        out = {}
        for name, p in model.named_parameters():
            if p.grad is None:
                continue
            name = name.replace("base_model.model.", "").replace(".default", "").replace(".base_layer", "")
            suffix = ""
            if ".lora_" in name:
                name, half = name.split(".lora_")
                suffix, name = ".lora_" + half[0].lower(), name + ".weight"
            g = p.grad.numpy()
            name, g = self.stored(name, g) if suffix != ".lora_a" else (self.stored(name, np.zeros((64, 1)))[0], g)
            flat = g.reshape(-1)
            at = np.unique(np.linspace(0, len(flat) - 1, 24).astype(int) // 7 * 7 % len(flat))
            out[name + suffix] = dict(l2=float(np.linalg.norm(flat)), sum=float(flat.sum()), index=at.tolist(), value=[float(flat[i]) for i in at])
        return [float(x) for x in logp.detach()], out

    def golden(self):
        ids = torch.randint(2, VOCAB, (40,), generator=self.random).tolist()
        start = 17
        logp, weights = self.gradients(self.model, ids, start)
        lora = LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], task_type="CAUSAL_LM")
        tuned = get_peft_model(self.model, lora)
        for name, p in tuned.named_parameters():
            if "lora_" in name:
                p.data = (.3 * self.draw(p.shape)).bfloat16().double()
        tuned_logp, adapter = self.gradients(tuned, ids, start)
        self.save_adapter(tuned)
        return dict(prompt=ids[:start], completion=ids[start:], logprobs=logp, weights=weights, lora_logprobs=tuned_logp, lora=adapter)

    def save_adapter(self, tuned):
        folder = os.path.join(HERE, self.name)
        for p in tuned.parameters():
            p.data = p.data.to(torch.bfloat16)
        tuned.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))


def main():
    out = {}
    for name in FAMILIES:
        family = Family(name)
        path = family.write_model()
        out[name] = family.golden()
        print(name, "mean log-prob", np.mean(out[name]["logprobs"]), "with the LoRA", np.mean(out[name]["lora_logprobs"]))
        with open(path, "rb") as f, gzip.GzipFile(path + ".gz", "wb", 9, mtime=0) as z:
            shutil.copyfileobj(f, z)
        os.remove(path)
    with gzip.GzipFile(os.path.join(HERE, "golden.json.gz"), "wb", 9, mtime=0) as z:
        z.write(json.dumps(out).encode())


main()
