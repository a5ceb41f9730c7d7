"""Which folder may include which, and how files are named. The arrows are those of README.md."""

import os
import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent

ARROWS = {
    "base": set(),
    "proto": {"base"},
    "model": {"base"},
    "kernels": {"base"},
    "plan": {"model", "base"},
    "worker": {"kernels", "plan", "model", "proto", "base"},
    "coordinator": {"plan", "model", "proto", "base"},
    "client": {"proto", "base"},
}
# Libraries that are wrapped once: who may include their headers.
LIBRARIES = {
    r"(grpc|grpcpp|google/protobuf)/": {"proto", "worker", "coordinator", "client"},
    r"spdlog/": {"base"},
    r"nlohmann/": {"base"},
    r"(pcre2\.h|sentencepiece_)": {"model"},
    r"(boost|openssl)/": {"coordinator"},
    r"(cuda|cublas|nccl)": {"kernels"},
}
FORBIDDEN_FOLDERS = {"src", "include", "utils", "common"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
SOURCES = {".h", ".cc", ".cu", ".cuh"}


def sources(root, folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and "testdata" not in path.parts:
                yield path.relative_to(root)


def exists(root, include):
    generated = re.sub(r"(\.grpc)?\.pb\.h$", ".proto", include)
    return ".." not in include and ((root / include).is_file() or (root / generated).is_file())


def include_problems(root, path):
    folder = path.parts[0]
    text = (root / path).read_text()
    for quote, include in INCLUDE.findall(text):
        where = f"{path}: #include {include}:"
        target = include.split("/")[0]
        if quote == '"' and target in ARROWS | {"tests": None}:
            if not exists(root, include):
                yield f"{where} no such path in the repository"
            if folder in ARROWS and target != folder and target not in ARROWS[folder]:
                yield f"{where} {folder}/ may include only {sorted(ARROWS[folder])}"
        elif quote == '"' and "/" not in include and (root / path.parent / include).exists():
            yield f"{where} write the path from the root of the repository"
        elif include.startswith("."):
            yield f"{where} write the path from the root of the repository"
        if folder in ARROWS:
            for pattern, users in LIBRARIES.items():
                if re.match(pattern, include) and folder not in users:
                    yield f"{where} only {sorted(users)} may use this library"
        if path.suffix in {".cu", ".cuh"} and re.match(r"(absl|google|grpc|proto)", include):
            yield f"{where} device code includes neither Abseil nor protobuf"


def guard_problems(root, path):
    guard = "GANTRY_" + re.sub(r"[^A-Z0-9]", "_", str(path).upper()) + "_"
    text = (root / path).read_text()
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        yield f"{path}: expected the include guard {guard}"


def folder_problems(root):
    for parent, folders, _ in os.walk(root):
        others = ("testdata", "node_modules")
        folders[:] = [f for f in folders if not f.startswith((".", "build")) and f not in others]
        for folder in FORBIDDEN_FOLDERS & set(folders):
            yield f"{os.path.join(parent, folder)}: no folder is called that; name what it holds"


def mirror_problems(root):
    for path in sources(root, [f"tests/{folder}" for folder in ARROWS]):
        tested = path.relative_to("tests").parent
        if not (root / tested).is_dir():
            yield f"{path}: there is no {tested}/ that it could test"


def problems(root):
    found = list(folder_problems(root)) + list(mirror_problems(root))
    for path in sources(root, [*ARROWS, "tests"]):
        found += include_problems(root, path)
        if path.suffix in {".h", ".cuh"}:
            found += guard_problems(root, path)
    return found


class LayeringTest(unittest.TestCase):
    def test_layering_of_the_tree(self):
        self.assertEqual(problems(ROOT), [])

    def check(self, files, expected):
        """A tree of these files has one problem, which mentions `expected`; or none when that is None."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            found = problems(root)
        self.assertEqual(len(found), 0 if expected is None else 1, found)
        if expected is not None:
            self.assertIn(expected, found[0])

    def test_layering_accepts_what_follows_the_arrows(self):
        self.check(
            {
                "base/a.h": "#ifndef GANTRY_BASE_A_H_\n#define GANTRY_BASE_A_H_\n#endif\n",
                "proto/stage.proto": "",
                "worker/b.cc": '#include <vector>\n#include "base/a.h"\n#include "proto/stage.grpc.pb.h"\n'
                '#include "absl/status/status.h"\n',
                "tests/base/many_test.cc": '#include "base/a.h"\n',
            },
            None,
        )

    def test_layering_refuses_what_does_not(self):
        header = "#ifndef GANTRY_WORKER_A_H_\n#define GANTRY_WORKER_A_H_\n#endif\n"
        for files, expected in [
            ({"worker/a.h": header, "coordinator/b.cc": '#include "worker/a.h"\n'}, "coordinator/ may include"),
            ({"worker/a.h": header, "worker/b.cc": '#include "a.h"\n'}, "from the root"),
            ({"worker/a.h": header, "worker/b/c.cc": '#include "../a.h"\n'}, "from the root"),
            ({"worker/b.cc": '#include "worker/a.h"\n'}, "no such path"),
            ({"worker/a.h": header.replace("WORKER_A", "A")}, "GANTRY_WORKER_A_H_"),
            ({"plan/a.cc": "#include <google/protobuf/message.h>\n"}, "only"),
            ({"plan/a.cc": '#include "grpcpp/grpcpp.h"\n'}, "only"),
            ({"model/a.cc": "#include <nlohmann/json.hpp>\n"}, "only ['base']"),
            ({"kernels/cuda/a.cu": '#include "absl/status/status.h"\n'}, "device code"),
            ({"model/utils/a.cc": ""}, "no folder is called that"),
            ({"model/a.cc": "", "tests/model/text/a_test.cc": ""}, "there is no model/text"),
        ]:
            with self.subTest(expected=expected, files=files):
                self.check(files, expected)


if __name__ == "__main__":
    unittest.main()
