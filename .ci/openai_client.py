"""The stock OpenAI client against a running plumb. Usage: openai_client.py BASE_URL MODEL"""

import sys

import openai

base_url, model = sys.argv[1:]
client = openai.OpenAI(base_url=base_url + "/v1", api_key="unused", max_retries=0)
messages = [{"role": "user", "content": "Any tips for making tea?"}]

assert any(m.id == model for m in client.models.list().data), f"{model} is not listed"

plain = client.chat.completions.create(model=model, messages=messages, max_tokens=24, seed=7)
assert plain.choices[0].message.content, plain
assert plain.choices[0].finish_reason in ("stop", "length"), plain
assert plain.usage.completion_tokens > 0 and plain.usage.prompt_tokens > 0, plain
again = client.chat.completions.create(model=model, messages=messages, max_tokens=24, seed=7)
assert again.choices[0].message.content == plain.choices[0].message.content, "the same seed gave another reply"

three = client.chat.completions.create(model=model, messages=messages, max_completion_tokens=24, n=3, seed=8)
texts = [c.message.content for c in three.choices]
assert len(texts) == 3 and len(set(texts)) == 3, texts

for extra in ({}, {"align": {"n": 4}}):
    chunks = list(client.chat.completions.create(
        model=model, messages=messages, max_tokens=24, stream=True, stream_options={"include_usage": True}, extra_body=extra))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert text and len(finishes) == 1, chunks
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens > 0, chunks[-1]
    assert len({c.id for c in chunks}) == 1

best = client.chat.completions.create(model=model, messages=messages, max_tokens=24, seed=9, extra_body={"align": {"n": 4, "candidates": True}})
assert best.align["n_drawn"] == 4, best.align

for field, value in {"n": 0, "temperature": 9, "align": {"n": 10_000}, "nonsense": 1, "max_tokens": "many"}.items():
    try:
        client.chat.completions.create(model=model, messages=messages, extra_body={field: value})
        raise SystemExit(f"{field} = {value} was taken")
    except openai.BadRequestError as e:
        assert e.body["param"].startswith(field), e.body
try:
    client.chat.completions.create(model="no-such-model", messages=messages)
    raise SystemExit("an unknown model was taken")
except openai.NotFoundError:
    pass
print("openai python client: ok")
