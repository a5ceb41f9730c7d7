"""usage: junit_summary.py REPORT.xml. Shows what failed, in full; prints "PASSED FAILED SKIPPED" as the last line."""

import sys
import xml.etree.ElementTree

cases = list(xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testcase"))
count = {"run": 0, "fail": 0, "notrun": 0}
for case in cases:
    # CTest reports a program that could not be started as not run, and so a test that says that it was skipped.
    skipped = case.find("skipped")
    state = case.get("status")
    if state == "notrun" and (skipped is None or not skipped.get("message", "").startswith("SKIP_")):
        state = "fail"
    count[state if state in count else "fail"] += 1
    if state not in ("run", "notrun"):
        print(f"FAILED {case.get('name')}\n{case.findtext('system-out', '')}")
    elif state == "notrun":
        print(f"skipped {case.get('name')}")
print(count["run"], count["fail"], count["notrun"])
