"""How far a cluster's scores are from the reference's logits, which tells schemes apart where greedy tokens do not."""

import array
import json
import math
import struct

import cluster

FOLDER = cluster.ROOT / "tests/testdata/demo"
TOP = 20
# Of the reference itself, by distance(): at most 0.019 between types of products and of scales, at least 0.036 between
# kinds of weights, and 0.065 from 4 bits to any other. int8 is no farther from what is not quantised than bf16 is; its
# bytes tell.
LIMIT = 0.03


def reference_logits(name):
    """For each prompt the logits of its last tokens, [tokens][vocabulary]."""
    data = (FOLDER / "schemes.safetensors").read_bytes()
    start = 8 + struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:start])
    prompts = []
    while (entry := header.get(f"{name}.logits.{len(prompts)}")) is not None:
        begin, end = entry["data_offsets"]
        numbers = array.array("f", data[start + begin : start + end])
        width = entry["shape"][1]
        prompts.append([numbers[i : i + width] for i in range(0, len(numbers), width)])
    return prompts


def distance(running, name):
    """The root mean square of the differences of the likeliest tokens' log-probabilities, in that of the logits."""
    cases = json.loads((FOLDER / "generate.json").read_text())["cases"]
    differences, squares = [], []
    for case, rows in zip(cases, reference_logits(name)):
        # The last logits are those of the answer's first token.
        tokens = [*case["prompt"], case["greedy"][0]]
        (line,) = running.generate_json(cluster.ids(tokens), "--score", f"--top_logprobs={TOP}")
        for row, top in zip(rows, line["top"][-len(rows) :]):
            largest = max(row)
            log_sum = largest + math.log(sum(math.exp(logit - largest) for logit in row))
            differences += [one["logprob"] - (row[one["token_id"]] - log_sum) for one in top]
            squares += [logit * logit for logit in row]
    mean_square = sum(x * x for x in differences) / len(differences)
    return math.sqrt(mean_square / (sum(squares) / len(squares)))
