#!/usr/bin/env python3
"""
Rspamd's public cases of SPF, DKIM, DMARC and ARC against `sekisho explain dmarc`, with their fake DNS.

usage: dmarc_sets.py SEKISHO
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CORPORA = pathlib.Path(os.environ.get("SEKISHO_CORPORA", TOP.parent / "shared/corpora"))

# What we say otherwise, and why.
MISSES = {
    "SPF FAIL UNRESOLVEABLE INCLUDE": "RFC 7208 5.2: an include without a record is a permerror",
    "DKIM Ignore Unknown Tags": "its key is not among the fake records",
    "ARC ALLOW CHECK": "its keys are not among the fake records",
}


def dmarc(result, *policies):
    return lambda r: r["dmarc"]["result"] == result and (not policies or r["dmarc"]["policy"] in policies)


def spf(*results):
    return lambda r: r["spf"]["result"] in results


def dkim(*results):
    return lambda r: any(s["result"] in results for s in r["dkim"])


# Rspamd's symbols in our words.
MEANING = {
    "DMARC_POLICY_ALLOW": dmarc("pass"),
    "DMARC_POLICY_REJECT": dmarc("fail", "reject"),
    "DMARC_POLICY_QUARANTINE": dmarc("fail", "quarantine"),
    "DMARC_POLICY_SOFTFAIL": dmarc("fail", "none"),
    "DMARC_DNSFAIL": dmarc("temperror"),
    "DMARC_NA": lambda r: r["dmarc"]["result"] in ("none", "permerror"),
    "R_SPF_ALLOW": spf("pass"),
    "R_SPF_FAIL": spf("fail"),
    "R_SPF_NA": spf("none"),
    "R_SPF_DNSFAIL": spf("temperror"),
    "R_SPF_PERMFAIL": spf("permerror"),
    "R_DKIM_ALLOW": dkim("pass"),
    "R_DKIM_REJECT": lambda r: not dkim("pass")(r),
    "R_DKIM_PERMFAIL": lambda r: not dkim("pass")(r),
    "ARC_ALLOW": lambda r: r["arc"]["result"] == "pass",
    "ARC_INVALID": lambda r: r["arc"]["result"] == "fail",
}


def strip_comments(text):
    out, quoted = [], False
    for line in text.splitlines():
        kept = ""
        for c in line:
            if c == '"':
                quoted = not quoted
            if c == "#" and not quoted:
                break
            kept += c
        out.append(kept)
    return "\n".join(out)


def records(text):
    for body in re.findall(r"\{(.*?)\}", strip_comments(text), re.S):
        fields = dict(re.findall(r'(name|type|rcode)\s*=\s*["\']?([^"\';,\s]+)', body))
        replies = re.search(r"replies\s*=\s*\[(.*)\]", body, re.S)
        yield fields.get("name", ""), fields.get("type", "a").upper(), fields.get("rcode"), \
            re.findall(r'"((?:[^"\\]|\\.)*)"', replies[1]) if replies else []


def line_of(name, kind, value):
    if kind != "TXT":
        return f"{name} {kind} {value}"
    pieces = [value[i:i + 200] for i in range(0, max(len(value), 1), 200)]
    return f"{name} TXT " + " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in pieces)


def zone(text):
    lines = []
    for name, kind, rcode, replies in records(text):
        if not name:
            continue
        if rcode in ("timeout", "servfail") or (rcode and "fail" in rcode):
            lines.append(f"{name} {kind} {rcode.upper() if rcode in ('timeout', 'servfail') else 'SERVFAIL'}")
        for value in replies:
            if kind in ("TXT", "A", "AAAA", "MX", "PTR"):
                lines.append(line_of(name, kind, value))
    return "\n".join(lines) + "\n"


def main():
    folder = CORPORA / "dmarc-rspamd"
    if not folder.is_dir():
        print(f"SKIPPED: no DMARC cases in {CORPORA}", file=sys.stderr)
        return 77
    bad = missed = 0
    cases = json.loads((folder / "cases.json").read_text())
    with tempfile.TemporaryDirectory(prefix="verify-dmarc-") as tmp:
        fixture = pathlib.Path(tmp) / "zone"
        fixture.write_text(zone((folder / "fake_records.ucl").read_text()))
        for case in cases:
            args = [sys.argv[1], "explain", "dmarc", "--json", "--dns", fixture]
            for key, option in (("ip", "--ip"), ("mailfrom", "--from")):
                if case[key]:
                    args += [option, case[key]]
            message = (folder / "messages" / case["message"]).read_bytes()
            done = subprocess.run([str(a) for a in args], input=message, capture_output=True)
            got = json.loads(done.stdout) if done.returncode == 0 else None
            wanted = [s for s in case["expect"] if s in MEANING]
            why = None
            if got is None:
                why = done.stderr + done.stdout
            else:
                for s in wanted:
                    if not MEANING[s](got):
                        why = f"not {s}: dmarc {got['dmarc']['result']}/{got['dmarc']['policy']} ({got['dmarc']['why']}) spf " \
                              f"{got['spf']['result']} ({got['spf']['why']}) dkim {[(d['result'], d['why']) for d in got['dkim']]} arc {got['arc']}"
                for s in case["not_expect"]:
                    if s in MEANING and MEANING[s](got):
                        why = f"is {s}"
            if why and case["name"] in MISSES:
                missed += 1
                print(f"missed {case['name']}: {MISSES[case['name']]}")
            elif why:
                bad += 1
                print(f"not ok {case['suite']} {case['name']}: {why}")
    print(f"{len(cases)} cases, {len(cases) - bad - missed} as expected, {missed} otherwise for a reason, {bad} wrong")
    return 1 if bad else 0


sys.exit(main())
