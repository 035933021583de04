#!/usr/bin/env python3
"""
Public DMARC, failure and TLS reports against `sekisho explain report`: each is read, with as many rows as its XML has records,
or refused with a reason that is expected here.

usage: report_sets.py SEKISHO
"""
import email
import email.policy
import gzip
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
CORPORA = pathlib.Path(os.environ.get("SEKISHO_CORPORA", TOP.parent / "shared/corpora"))
SETS = ["dmarc-reports-mail-auth", "dmarc-reports-parsedmarc"]

# What is refused, and why.
REFUSED = {
    "exim_plain_text_only_no_arf_part.eml": "nothing",   # RFC 6591 2: a report has a feedback part; this has prose only
}


def unpacked(data):
    """The document in a file or a message, as others' libraries unpack it."""
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"PK\3\4":
        z = zipfile.ZipFile(io.BytesIO(data))
        return z.read(z.namelist()[0])
    if data.lstrip()[:1] in (b"<", b"{"):
        return data
    for part in email.message_from_bytes(data, policy=email.policy.compat32).walk():
        body = part.get_payload(decode=True) or b""
        if not part.is_multipart() and body and (body[:2] == b"\x1f\x8b" or body[:4] == b"PK\3\4" or
                                                 body.lstrip()[:1] == b"{" or b"<feedback" in body[:200]):
            return unpacked(body)
    return b""


def wrong(sekisho, path):
    data = path.read_bytes()
    run = subprocess.run([sekisho, "explain", "report", "--json"], input=data, capture_output=True, timeout=60)
    if run.returncode:
        return f"exit {run.returncode}: {run.stderr.decode(errors='replace')[:200]}"
    got = json.loads(run.stdout)
    expected = REFUSED.get(path.name)
    if expected or got["kind"] == "none":
        return "" if got["kind"] == "none" and expected and expected in got["why"] else f"{got['kind']}: {got.get('why')}"
    document = unpacked(data)
    if got["kind"] == "dmarc":
        records = len(re.findall(rb"<record>", document))
        return "" if got["dmarc"]["rows"] == records else f"{got['dmarc']['rows']} rows of {records}"
    if got["kind"] == "tls":
        policies = len(json.loads(document)["policies"])
        return "" if len(got["tls"]["policies"]) == policies else f"not {policies} policies"
    return "" if "/failure/" in str(path) or b"feedback-report" in data else "not a failure report"


def main():
    sekisho = sys.argv[1]
    failed = False
    for name in SETS:
        folder = CORPORA / name
        if not folder.is_dir():
            print(f"SKIPPED {name}: not at {folder}")
            continue
        # In the first set .json beside an .xml or .eml is what its own parser makes of it.
        paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in ("README.md", "LICENSE") and
                 not (p.suffix == ".json" and "dmarc-feedback" in p.parts) and
                 not (p.suffix == ".json" and p.with_suffix(".eml").exists())]
        bad = 0
        for path in paths:
            why = wrong(sekisho, path)
            if why:
                bad += 1
                print(f"    {path.name}: {why}")
        print(f"{name}: {len(paths) - bad} of {len(paths)}")
        failed = failed or bad > 0
    return 1 if failed else 0


sys.exit(main())
