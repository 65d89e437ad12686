"""Ask, look at the candidates, vote. Usage: python example.py [URL]"""

import sys

from plumb import Plumb, PlumbError

plumb = Plumb(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080", user="ada")

reply = plumb.chat("Any tips for making tea?", n_drawn=4, seed=1)
print(reply["choices"][0]["message"]["content"])
print("method:", reply["align"]["method"], " drawn:", reply["align"]["n_drawn"])

candidates = plumb.generation(reply["id"])["candidates"]
vote = plumb.rank(reply["id"], [c["id"] for c in sorted(candidates, key=lambda c: len(c["text"]))])
print("ranked the shorter ones first:", vote["stored"])

again = plumb.thumb(reply["id"], +1)
assert plumb.thumb(reply["id"], +1)["id"] == again["id"], "the same vote twice is one vote"
print("live votes:", [v["kind"] for v in plumb.votes(generation=reply["id"])])

try:
    print("next:", plumb.next(reply["id"])["choices"][0]["message"]["content"])
except PlumbError as e:
    assert e.status == 409, e  # all candidates were the same text

plumb.revoke(again["id"])
print("rows for training:", sum(1 for _ in plumb.export("preference")))
print("streamed:", "".join(c["choices"][0]["delta"].get("content") or "" for c in plumb.stream("Hello!") if c["choices"]))
