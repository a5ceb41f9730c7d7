"""@grpc/grpc-js of npm against a cluster; the cases are in grpc_js/."""

import unittest

import node_cases
from cluster import DEMO, ROOT, Cluster


@node_cases.needs_npm
class GrpcJsTest(unittest.TestCase):
    def test_grpc_js_drives_the_rpcs(self):
        with Cluster(DEMO, 2) as cluster:
            proto = str(ROOT / "proto/inference.proto")
            node_cases.run(self, "grpc_js", "grpc.test.mjs", ADDRESS=cluster.address, PROTO=proto)


if __name__ == "__main__":
    unittest.main()
