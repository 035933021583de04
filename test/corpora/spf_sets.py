#!/usr/bin/env python3
"""
The public SPF cases against `sekisho explain spf`.

usage: spf_sets.py SEKISHO
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CORPORA = pathlib.Path(os.environ.get("SEKISHO_CORPORA", TOP.parent / "shared/corpora"))

# What we say otherwise, and why. The other set, which is the RFC's own, asks for the opposite in each case, and python3-spf
# answers as we do (spf_peers.py): no answer could satisfy both.
MISSES = {
    "spf-mail-auth:All test:sender@test.org":
        "RFC 7208 4.6: a syntax error anywhere is a permerror before anything is evaluated, behind all too (detect-errors-anywhere)",
    "spf-mail-auth:Exists:sender@ip6.test.org":
        "RFC 7208 5.7: exists asks for A records whatever the client's address is (exists-ip6only)",
    "spf-mail-auth:Macro expansion 2:strong-bad@email.example.com": "RFC 7208 5.7: likewise",
}


def fixture_name(name):
    return name.rstrip(".") or "."


def quoted(strings):
    out = []
    for s in strings:
        raw = s.encode("latin-1", "surrogateescape") if isinstance(s, str) else s
        for i in range(0, max(len(raw), 1), 255):
            piece = raw[i:i + 255]
            out.append('"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}" for b in piece) + '"')
    return " ".join(out)


class Zone:
    def __init__(self):
        self.lines = []

    def add(self, name, kind, data):
        self.lines.append(f"{fixture_name(name)} {kind} {data}".rstrip())

    def text(self):
        return "\n".join(self.lines) + "\n"


def rfc_zone(data):
    """The suite's zonedata: SPF records are TXT unless the name has TXT of its own."""
    zone = Zone()
    for name, records in data.items():
        has_txt = any(isinstance(r, dict) and "TXT" in r for r in records)
        for r in records:
            if isinstance(r, str):
                zone.add(name, r, "")
                continue
            for kind, value in r.items():
                if value == "TIMEOUT":
                    zone.add(name, "TXT" if kind == "SPF" else kind, "TIMEOUT")
                elif kind in ("SPF", "TXT"):
                    if kind == "SPF" and has_txt:
                        continue
                    if value == "NONE" or value == []:
                        continue
                    zone.add(name, "TXT", quoted(value if isinstance(value, list) else [value]))
                elif kind == "MX":
                    zone.add(name, "MX", f"{value[0]} {value[1] or '.'}")
                else:
                    zone.add(name, kind, value)
    return zone


def rfc_cases():
    folder = CORPORA / "spf-rfc7208"
    for scenario in json.loads((folder / "rfc7208-tests.part.json").read_text()):
        zone = rfc_zone(scenario["zonedata"]).text()
        for name, t in scenario["tests"].items():
            results = t["result"] if isinstance(t["result"], list) else [t["result"]]
            yield {"name": f"spf-rfc7208:{name}", "zone": zone, "ip": t["host"], "helo": t["helo"], "from": t["mailfrom"],
                   "results": [r.lower() for r in results], "explanation": t.get("explanation")}


def reverse(ip):
    import ipaddress
    return ipaddress.ip_address(ip).reverse_pointer


def mail_auth_zone(lines):
    zone = Zone()
    for kind, value in lines:
        name, _, rest = value.partition(" ")
        rest = rest.strip()
        if kind in ("spf", "exp", "txt"):
            zone.add(name, "TXT", quoted([rest]))
        elif kind in ("a", "aaaa", "mx", "ptr"):
            for i, item in enumerate(x.strip() for x in rest.split(",")):
                if kind == "ptr":
                    zone.add(reverse(name), "PTR", item)
                elif kind == "mx" and re.fullmatch(r"[0-9a-fA-F:.]+", item) and not re.search(r"[g-zG-Z]", item):
                    zone.add(name, "MX", f"{i} mx{i}.{name}")
                    zone.add(f"mx{i}.{name}", "AAAA" if ":" in item else "A", item)
                elif kind == "mx":
                    zone.add(name, "MX", f"{i} {item}")
                else:
                    zone.add(name, "AAAA" if ":" in item else "A", item)
        else:
            raise SystemExit(f"a kind of record that is not known: {kind}")
    for name in set(re.findall(r"_dns_error[\w.]*", " ".join(value for _, value in lines))):
        zone.add(name, "SERVFAIL", "")
    return zone.text()


def mail_auth_documents(text):
    """The files are nearly YAML: keys repeat, values hold colons."""
    document = {"name": "", "records": [], "tests": []}
    part = None
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith("---") or line.startswith("name:"):
            if document["tests"]:
                yield document
            if document["tests"] or line.startswith("name:"):
                document = {"name": line[5:].strip(), "records": [], "tests": []}
            continue
        if not line.startswith(" "):
            part = line.strip().rstrip(":")
            continue
        key, _, value = line.strip().lstrip("- ").partition(":")
        if part == "records":
            document["records"].append((key.strip(), value.strip()))
            continue
        if line.strip().startswith("- "):
            document["tests"].append({})
        document["tests"][-1][key.strip()] = value.strip()
    if document["tests"]:
        yield document


def mail_auth_cases():
    for path in sorted((CORPORA / "spf-mail-auth").glob("*.yml")):
        for document in mail_auth_documents(path.read_text()):
            zone = mail_auth_zone(document["records"])
            for t in document["tests"]:
                result, _, explanation = t["expect"].partition(" ")
                yield {"name": f"spf-mail-auth:{document['name']}:{t['sender']}", "zone": zone, "ip": t["ip"], "helo": t["domain"],
                       "from": t["sender"], "results": [result], "explanation": explanation or None}


def ours(sekisho, case, folder):
    zone = folder / "zone"
    zone.write_text(case["zone"])
    args = [sekisho, "explain", "spf", "--json", "--ip", case["ip"], "--helo", case["helo"], "--from", case["from"], "--dns", zone]
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if done.returncode:
        return {"result": f"exit {done.returncode}: {done.stderr}{done.stdout}", "explanation": None, "lookups": 0, "void_lookups": 0}
    return json.loads(done.stdout)


def wrong(case, got):
    if got["result"] not in case["results"]:
        return f"{got['result']} instead of {case['results']}: {got.get('why')}"
    want = case["explanation"]
    if want and want != "DEFAULT" and got["explanation"] != want:
        return f"explanation {got['explanation']!r} instead of {want!r}"
    if got["lookups"] > 11 or got["void_lookups"] > 3:
        return "limits"
    return None


def main():
    if not (CORPORA / "spf-rfc7208").is_dir():
        print(f"SKIPPED: no SPF cases in {CORPORA}", file=sys.stderr)
        return 77
    cases = list(rfc_cases()) + list(mail_auth_cases())
    bad = missed = 0
    with tempfile.TemporaryDirectory(prefix="verify-spf-") as tmp:
        for case in cases:
            got = ours(sys.argv[1], case, pathlib.Path(tmp))
            why = wrong(case, got)
            if why and case["name"] in MISSES:
                missed += 1
                print(f"missed {case['name']}: {MISSES[case['name']]}")
            elif why:
                bad += 1
                print(f"not ok {case['name']}: {why}")
    print(f"{len(cases)} cases, {len(cases) - bad - missed} as expected, {missed} otherwise for a reason, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
