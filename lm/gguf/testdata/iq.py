#!/usr/bin/env python3
"""Write iq.json, blocks and what they decode to, for the types that quant.json.gz lacks. Needs gguf-py (pip install gguf).

Random bytes are blocks of any of these types, once the half-precision scale at the front of the IQ types is finite."""
import json
import pathlib

import numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

rng = numpy.random.default_rng(7)
out = {}
for t in (Type.IQ4_NL, Type.IQ4_XS, Type.MXFP4):
    values, size = GGML_QUANT_SIZES[t]
    cases = [("random bytes", rng.integers(0, 256, size, dtype=numpy.uint8)) for _ in range(3)]
    cases += [("zeros", numpy.zeros(size, numpy.uint8)), ("every level", numpy.resize(numpy.arange(0, 256, 17, dtype=numpy.uint8), size).copy())]
    if t == Type.MXFP4:
        cases += [(f"exponent {e}", numpy.concatenate([[e], cases[0][1][1:]]).astype(numpy.uint8)) for e in (0, 1, 2, 127, 250)]
    else:
        for k, (_, block) in enumerate(cases):
            if k != 3:
                block[:2] = numpy.array([(-1) ** k * 0.00123 * (k + 1)], numpy.float16).view(numpy.uint8)
    out[t.name] = {"block": values, "bytes": size, "blocks": [
        {"what": what, "hex": b.tobytes().hex(), "values": [float(numpy.float32(v)) for v in dequantize(b.reshape(1, -1), t).ravel()]}
        for what, b in cases]}
pathlib.Path(__file__).with_name("iq.json").write_text(json.dumps({"dequantise": out}) + "\n")
