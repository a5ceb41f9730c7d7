"""What a coordinator is told for each scheme of the reference, and what its stages then are."""

NF4 = ["--load_in_4bit", "--bnb_4bit_quant_type=nf4"]
FP4 = ["--load_in_4bit", "--bnb_4bit_quant_type=fp4"]
DOUBLE = "--bnb_4bit_use_double_quant"


def compute(dtype):
    return [f"--dtype={dtype}", f"--bnb_4bit_compute_dtype={dtype}"]


FLAGS = {
    "float32": ["--dtype=float32"],
    "float16": ["--dtype=float16"],
    "bfloat16": ["--dtype=bfloat16"],
    "int8": ["--dtype=float16", "--load_in_8bit"],
    "int8-threshold0": ["--dtype=float16", "--load_in_8bit", "--llm_int8_threshold=0"],
    "nf4-fp32": [*compute("float32"), *NF4],
    "nf4-dq-fp32": [*compute("float32"), *NF4, DOUBLE],
    "nf4-bf16": [*compute("bfloat16"), *NF4],
    "nf4-dq-bf16": [*compute("bfloat16"), *NF4, DOUBLE],
    "nf4-fp16": [*compute("float16"), *NF4],
    "fp4-fp32": [*compute("float32"), *FP4],
    "fp4-dq-bf16": [*compute("bfloat16"), *FP4, DOUBLE],
}
# One of each kind.
QUICK = ("float32", "bfloat16", "int8", "nf4-bf16", "fp4-dq-bf16")
_STAGE = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


def of_stage(name):
    """As `generate --status` calls it: "fp32", "int8", "nf4"."""
    return _STAGE.get(name, name.split("-")[0])
