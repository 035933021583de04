#!/usr/bin/python3
"""
Every public SPF case as `sekisho explain spf` and as Debian's python3-spf judge it, from the same records.

usage: spf_peers.py SEKISHO
"""
import ipaddress
import pathlib
import re
import sys
import tempfile

import spf_sets

try:
    import spf
except ImportError:
    print("SKIPPED: python3-spf is not installed", file=sys.stderr)
    sys.exit(77)

def text_of(data):
    """The strings of a TXT record in a fixture, as octets."""
    strings = []
    for quoted in re.findall(r'"((?:[^"\\]|\\...|\\.)*)"', data):
        octets = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1])), quoted)
        strings.append(octets.encode("latin-1"))
    return tuple(strings)


def records_of(zone):
    table = {}
    for line in zone.splitlines():
        name, kind, data = re.fullmatch(r"(.*?) (AAAA|A|MX|TXT|SPF|PTR|CNAME|TIMEOUT|SERVFAIL)(?: (.*))?", line).groups("")
        if kind == "MX":
            preference, host = data.split()
            data = (int(preference), "" if host == "." else host)
        elif kind == "TXT" and data != "TIMEOUT":
            data = text_of(data)
        elif kind == "AAAA" and data != "TIMEOUT":
            data = ipaddress.IPv6Address(data).packed
        table.setdefault(name.lower().rstrip("."), []).append((kind, data))
    return table


def theirs(case):
    table = records_of(case["zone"])

    def lookup(name, qtype, strict=True, timeout=20):
        found = []
        for kind, data in table.get(name.lower().rstrip("."), []):
            if kind in ("TIMEOUT", "SERVFAIL") or (kind == qtype and data == "TIMEOUT"):
                raise spf.TempError("DNS timeout")
            if kind in (qtype, "CNAME"):
                found.append(((name, kind), data))
        return found
    spf.DNSLookup = lookup
    query = spf.query(i=case["ip"], s=case["from"], h=case["helo"], strict=True)
    try:
        return query.check()[0]
    except Exception as why:  # a crash of theirs is shown beside our answer
        return f"{type(why).__name__}: {why}"


def main():
    if not (spf_sets.CORPORA / "spf-rfc7208").is_dir():
        print(f"SKIPPED: no SPF cases in {spf_sets.CORPORA}", file=sys.stderr)
        return 77
    cases = list(spf_sets.rfc_cases()) + list(spf_sets.mail_auth_cases())
    bad = 0
    with tempfile.TemporaryDirectory(prefix="verify-spf-") as tmp:
        for case in cases:
            mine, other = spf_sets.ours(sys.argv[1], case, pathlib.Path(tmp))["result"], theirs(case)
            if mine != other:
                bad += 1
                print(f"not ok {case['name']} {case['ip']}: {mine}, python3-spf {other}, the set {case['results']}")
    print(f"{len(cases)} cases, {len(cases) - bad} alike, {bad} differ")
    return 1 if bad else 0


sys.exit(main())
