"""Answers that a client constrains: by a JSON schema, to a JSON object, by an expression."""

import json
import pathlib
import re
import tempfile
import unittest

from cluster import DEMO, Cluster, ids

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "bytes": {"type": "integer", "minimum": 0, "maximum": 4096},
        "scheme": {"enum": ["int8", "nf4", "fp4"]},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,5}$"}, "maxItems": 3},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["name", "bytes", "scheme"],
    "additionalProperties": False,
}
QUESTION = "--chat=How many bytes are in one gigabyte?"
GREEDY = "--temperature=0"


def satisfies(value):
    return (
        set(SCHEMA["required"]) <= set(value) <= set(SCHEMA["properties"])
        and len(value["name"]) <= 12
        and type(value["bytes"]) is int
        and 0 <= value["bytes"] <= 4096
        and value["scheme"] in ("int8", "nf4", "fp4")
        and len(value.get("tags", [])) <= 3
        and all(re.fullmatch("[a-z]{1,5}", tag) for tag in value.get("tags", []))
        and 0 <= value.get("share", 0) <= 1
    )


class ConstrainedTest(unittest.TestCase):
    def answer(self, cluster, *flags):
        """The text of an answer, and why it ended."""
        lines = cluster.generate_json(QUESTION, *flags)
        return "".join(line["text"] for line in lines), lines[-1]["finish_reason"]

    def test_constrained_answers_are_what_they_are_to_be(self):
        with tempfile.TemporaryDirectory() as folder, Cluster(DEMO, 2) as cluster:
            file = pathlib.Path(folder) / "schema.json"
            file.write_text(json.dumps(SCHEMA))
            samplings = [[GREEDY]] + [["--temperature=1", f"--seed={seed}"] for seed in range(3)]
            for sampling in samplings:
                text, reason = self.answer(cluster, f"--json_schema={file}", "--max_new_tokens=700", *sampling)
                self.assertEqual(reason, "stop", text)
                self.assertTrue(satisfies(json.loads(text)), text)

                text, reason = self.answer(cluster, "--regex=(yes|no), [0-9]{1,4} [é€]", *sampling)
                self.assertEqual(reason, "stop", text)
                self.assertRegex(text, r"\A(yes|no), [0-9]{1,4} [é€]\Z")

                text, reason = self.answer(cluster, "--json_object", "--max_new_tokens=300", *sampling)
                self.assertEqual(text[0], "{")
                if reason == "stop":
                    self.assertIsInstance(json.loads(text), dict)
            # The same schema as text, and the same tokens whatever came before.
            first = self.answer(cluster, f"--json_schema={json.dumps(SCHEMA)}", GREEDY)
            self.assertEqual(first, self.answer(cluster, f"--json_schema={file}", GREEDY))

    def test_constrained_answers_are_cut_at_max_new_tokens(self):
        with Cluster(DEMO) as cluster:
            text, reason = self.answer(cluster, f"--json_schema={json.dumps(SCHEMA)}", "--max_new_tokens=3", GREEDY)
            self.assertEqual(reason, "length")
            self.assertEqual(text[0], "{")

    def test_constraints_that_cannot_be_served_are_refused(self):
        with Cluster(DEMO) as cluster:
            for flags, named in [
                (['--json_schema={"properties":{"a":{"not":{}}}}'], "json_schema: #/properties/a/not"),
                (['--json_schema={"type":"float"}'], "json_schema: #/type"),
                (["--regex=a(?=b)"], "regex: byte 1: look-ahead"),
                (["--regex=(a{1000}){1000}"], "regex: byte"),
                (["--json_object", "--min_new_tokens=2"], "min_new_tokens"),
                (["--json_object", "--ignore_eos"], "ignore_eos"),
            ]:
                result = cluster.generate(QUESTION, *flags)
                self.assertEqual(result.returncode, 1, (flags, result.stderr))
                self.assertIn("INVALID_ARGUMENT", result.stderr)
                self.assertIn(named, result.stderr)

    def test_constraints_need_a_tokenizer(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "config.json").symlink_to(DEMO / "config.json")
            with Cluster(folder, coordinator_flags=["--load_format=dummy"]) as cluster:
                result = cluster.generate(ids([1, 2]), "--json_object")
                self.assertEqual(result.returncode, 1)
                self.assertIn("FAILED_PRECONDITION", result.stderr)
                self.assertIn("tokenizer", result.stderr)


if __name__ == "__main__":
    unittest.main()
