"""The models of tests/bench/models: in which schemes they are measured, what is aimed at, and what no machine can pass."""

import schemes

RUNS = {
    "cuda": {
        "tinyllama-1.1b": ("nf4-bf16", "int8", "bfloat16"),
        "phi-3-mini": ("nf4-bf16", "int8"),
        "llama-3-8b": ("nf4-bf16", "int8", "int8-threshold0", "bfloat16"),
        "llama-3-70b": ("nf4-bf16",),
    },
    "cpu": {"two-layers": ("float32",)},
}
DEFAULT = {"cuda": ("nf4-bf16",), "cpu": ("float32",)}
# Measured on two and four GPUs, too.
SPLIT = "llama-3-8b"
# Tokens/s, over all streams: to reach first, and then.
TARGETS = {
    ("tinyllama-1.1b", "nf4-bf16", "decode, 1"): (1300, 2200),
    ("phi-3-mini", "nf4-bf16", "decode, 1"): (700, 1000),
    ("llama-3-8b", "nf4-bf16", "decode, 1"): (400, 520, 650),
    ("llama-3-8b", "nf4-bf16", "decode, 32"): (5000,),
    ("llama-3-8b", "nf4-bf16", "prefill"): (28000, 40000),
    ("llama-3-8b", "int8", "decode, 1"): (270, 350),
    ("llama-3-70b", "nf4-bf16", "decode, 1"): (60, 75),
}
# Weights that a token is multiplied with, in 10^9: of the layers, and of lm_head, which is not quantised.
WEIGHTS = {
    "tinyllama-1.1b": (0.969, 0.066),
    "phi-3-mini": (3.62, 0.099),
    "llama-3-8b": (6.98, 0.525),
    "llama-3-70b": (68.5, 1.05),
}
# A 4-bit weight has a float for every 64.
BYTES = {"fp32": 4, "bf16": 2, "int8": 1, "nf4": 0.5625}
# What cuBLAS multiplies in bf16 on an H100 or H200.
MATRIX_FLOPS = 788e12


def decode_limit(model, scheme, streams, bytes_per_s):
    """Tokens/s at which the weights are read once for all streams."""
    if model not in WEIGHTS:
        return None
    layers, head = WEIGHTS[model]
    stored = schemes.of_stage(scheme)
    bytes_a_step = 1e9 * (layers * BYTES[stored] + head * (4 if stored == "fp32" else 2))
    return streams * bytes_per_s / bytes_a_step


def prefill_limit(model, devices):
    """Tokens/s at which the layers' products alone are computed; not known for CPUs."""
    if "cpu" in devices or model not in WEIGHTS:
        return None
    return len(devices) * MATRIX_FLOPS / (2e9 * WEIGHTS[model][0])
