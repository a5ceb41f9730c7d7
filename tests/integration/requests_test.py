"""What a client may ask of a running cluster, and what it is refused."""

import json
import pathlib
import signal
import subprocess
import tempfile
import unittest

from cluster import DEMO, ROOT, Cluster, ids, long_model, wait_until

QUESTION = "--chat=How many bytes are in one gigabyte?"
GOLDEN = json.loads((ROOT / "tests/testdata/demo/generate.json").read_text())["cases"]


def idle(status):
    counters = status["counters"]
    return all(
        counters[name] == 0 for name in ("requests_running", "requests_waiting", "steps_in_flight", "kv_blocks_used")
    )


DUMMY = ["--load_format=dummy", "--context=30000"]
LONG = [ids([1, 2, 3]), "--temperature=0", "--min_new_tokens=25000", "--max_new_tokens=25000"]


class RequestsTest(unittest.TestCase):
    def test_answers_text_chat_and_tokens_alike(self):
        with Cluster(DEMO, 2) as cluster:
            answer = cluster.generate(QUESTION).stdout
            self.assertIn("1,000,000,000", answer)
            prompt = cluster.generate_json("--tokenize", QUESTION)[0]["token_ids"]
            self.assertEqual(prompt, GOLDEN[0]["prompt"])
            tokens = cluster.tokens(ids(prompt))
            self.assertEqual(tokens, GOLDEN[0]["greedy"])
            self.assertEqual(cluster.tokens(QUESTION), tokens)
            detokenized = cluster.generate("--detokenize", ids(tokens), "--skip_special_tokens").stdout
            self.assertEqual(detokenized.strip(), answer.strip())
            finish = cluster.generate_json(QUESTION)[-1]
            self.assertEqual(finish["finish_reason"], "stop")
            self.assertEqual(finish["prompt_tokens"], len(prompt))
            self.assertEqual(finish["completion_tokens"], len(tokens))

    def test_tokenizer_model_serves_where_there_is_no_tokenizer_json(self):
        with tempfile.TemporaryDirectory() as folder:
            for file in DEMO.iterdir():
                if file.name != "tokenizer.json":
                    (pathlib.Path(folder) / file.name).symlink_to(file)
            with Cluster(folder) as cluster:
                self.assertIn("1,000,000,000", cluster.generate(QUESTION).stdout)

    def test_same_seed_gives_same_tokens(self):
        sampled = [ids(GOLDEN[0]["prompt"]), "--temperature=3", "--min_new_tokens=20", "--max_new_tokens=20"]
        answers = []
        for workers in (1, 3):
            with Cluster(DEMO, workers) as cluster:
                answers += [cluster.tokens(*sampled, "--seed=7"), cluster.tokens(*sampled, "--seed=7")]
                self.assertNotEqual(cluster.tokens(*sampled, "--seed=8"), answers[0])
                self.assertEqual(cluster.tokens(*sampled, "--seed=8", "--top_k=1")[0], GOLDEN[0]["greedy"][0])
        self.assertEqual(answers, [answers[0]] * 4)

    def test_biases_and_end_tokens_that_are_ignored(self):
        prompt, greedy = ids(GOLDEN[0]["prompt"]), GOLDEN[0]["greedy"]
        end = greedy[-1]
        longer = len(greedy) + 5
        with Cluster(DEMO, 2) as cluster:
            self.assertNotEqual(cluster.tokens(prompt, f"--logit_bias={greedy[0]}:-100")[0], greedy[0])
            lines = cluster.generate_json(prompt, "--logit_bias=9:100,8:-3", "--max_new_tokens=4")
            self.assertEqual([line["token_id"] for line in lines[:-1]], [9] * 4)
            # The model's own, in which the token that was forced is unlikely.
            self.assertLess(lines[0]["logprob"], -1)
            # By the end token the answer would have ended.
            self.assertEqual(cluster.tokens(prompt)[-1], end)
            lines = cluster.generate_json(prompt, "--ignore_eos", f"--max_new_tokens={longer}")
            self.assertEqual([line["token_id"] for line in lines[: len(greedy)]], greedy)
            self.assertEqual(len(lines) - 1, longer)
            self.assertEqual(lines[-1]["finish_reason"], "length")
            self.assertGreater(lines[-1]["decode_s"], 0)
            # Before min_new_tokens end tokens are not chosen, ignored or not, and stop strings end nothing.
            for ignore in ([], ["--ignore_eos"]):
                tokens = cluster.tokens(prompt, *ignore, f"--min_new_tokens={longer}", f"--max_new_tokens={longer}")
                self.assertEqual(len(tokens), longer)
                self.assertNotIn(end, tokens)
            text = cluster.generate(prompt).stdout.rstrip("\n")
            stop = f"--stop={text[3:5]}"
            lines = cluster.generate_json(prompt, stop, f"--min_new_tokens={longer}", f"--max_new_tokens={longer}")
            self.assertEqual(len(lines) - 1, longer)

    def test_stop_strings_end_the_text(self):
        with Cluster(DEMO) as cluster:
            whole = cluster.generate(QUESTION).stdout.rstrip("\n")
            stop = whole[len(whole) // 2 :][:6]
            lines = cluster.generate_json(QUESTION, f"--stop={stop}")
            self.assertEqual("".join(line["text"] for line in lines), whole[: whole.index(stop)])
            self.assertEqual(lines[-1]["finish_reason"], "stop")
            several = cluster.generate(QUESTION, "--stop=" + json.dumps(["never said", stop])).stdout
            self.assertEqual(several.rstrip("\n"), whole[: whole.index(stop)])

    def test_scores_equal_the_logprobs_of_generation(self):
        with Cluster(DEMO, 2, ["--max_step_tokens=7"]) as cluster:
            prompt = GOLDEN[1]["prompt"]
            lines = cluster.generate_json(ids(prompt), "--top_logprobs=2")[:-1]
            generated = [line["token_id"] for line in lines]
            score = cluster.generate_json(ids(prompt + generated), "--score", "--top_logprobs=2")[0]
            self.assertIsNone(score["logprobs"][0])
            self.assertEqual(score["token_ids"], prompt + generated)
            for line, logprob in zip(lines, score["logprobs"][len(prompt) :], strict=True):
                self.assertLessEqual(logprob, 0)
                self.assertAlmostEqual(line["logprob"], logprob, delta=1e-5)
                self.assertEqual(line["top_logprobs"][0]["token_id"], line["token_id"])
                self.assertEqual(len(line["top_logprobs"]), 2)

    def test_refuses_what_is_out_of_range(self):
        prompt = ids([1, 2, 3])
        with Cluster(DEMO) as cluster:
            for flags, culprit in [
                ([ids([5, 1024])], "1024"),
                ([ids([5] * 1025)], "1024"),
                ([prompt, "--temperature=nan"], "temperature"),
                ([prompt, "--temperature=-1"], "temperature"),
                ([prompt, "--logit_bias=1024:1"], "logit_bias[0].token_id"),
                ([prompt, "--logit_bias=1:1,9:101"], "logit_bias[1].bias"),
                ([prompt, "--logit_bias=9:1,9:2"], "9 twice"),
                ([prompt, "--top_k=-1"], "top_k"),
                ([prompt, "--top_p=0"], "top_p"),
                ([prompt, "--top_p=1.5"], "top_p"),
                ([prompt, "--min_p=2"], "min_p"),
                ([prompt, "--repetition_penalty=0"], "repetition_penalty"),
                ([prompt, "--presence_penalty=inf"], "presence_penalty"),
                ([prompt, "--frequency_penalty=1e9"], "frequency_penalty"),
                ([prompt, "--max_new_tokens=-1"], "max_new_tokens"),
                ([prompt, "--min_new_tokens=-1"], "min_new_tokens"),
                ([prompt, "--top_logprobs=21"], "top_logprobs"),
                ([prompt, "--stop=" + json.dumps(["x"] * 17)], "stop"),
                (["--prompt=\udcff"], "UTF-8"),
            ]:
                with self.subTest(flags=flags):
                    result = cluster.generate(*flags)
                    self.assertIn(result.returncode, (1, 2), result.stdout)
                    self.assertIn(culprit, result.stderr)
            self.assertTrue(cluster.coordinator.running())
            self.assertEqual(cluster.tokens(ids(GOLDEN[0]["prompt"])), GOLDEN[0]["greedy"])
            self.assertTrue(idle(cluster.status()))

    def test_special_tokens_typed_by_a_user_are_text(self):
        with Cluster(DEMO) as cluster:
            tokens = cluster.generate_json("--tokenize", "--chat=</s><s>")[0]["token_ids"]
            plain = cluster.generate_json("--tokenize", "--chat=x")[0]["token_ids"]
            for special in (1, 2):
                self.assertEqual(tokens.count(special), plain.count(special))

    def test_cancel_vanishing_and_deadline_free_everything(self):
        with long_model() as model, Cluster(model, 2, DUMMY) as cluster:
            with cluster.streaming(*LONG) as client:
                self.assertFalse(idle(cluster.status()))
                client.send_signal(signal.SIGINT)
                client.communicate()
            wait_until(lambda: idle(cluster.status()), "cancelled request freed")
            with cluster.streaming(*LONG) as client:
                client.kill()
            wait_until(lambda: idle(cluster.status()), "request of a client that vanished freed")
            late = cluster.generate(*LONG, "--timeout=300ms")
            self.assertEqual(late.returncode, 1)
            self.assertRegex(late.stderr, "(?i)deadline|300ms")
            wait_until(lambda: idle(cluster.status()), "late request freed")
            counters = cluster.status()["counters"]
            self.assertGreaterEqual(counters["requests_cancelled"] + counters["requests_failed"], 3)

    def test_full_queue_refuses(self):
        flags = [*DUMMY, "--max_sequences=1", "--max_queue=1"]
        with long_model() as model, Cluster(model, 1, flags) as cluster:
            with cluster.streaming(*LONG):
                waiting = subprocess.Popen(
                    cluster.command(*LONG), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                self.addCleanup(waiting.wait)
                self.addCleanup(waiting.kill)
                wait_until(lambda: cluster.status()["counters"]["requests_waiting"] == 1, "one waits")
                refused = cluster.generate(*LONG)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("queue", refused.stderr)
                self.assertEqual(cluster.status()["counters"]["requests_rejected"], 1)


if __name__ == "__main__":
    unittest.main()
