#!/usr/bin/env python3
"""What the MIME parser makes of the public message sets, compared with their expected answers.

    mime_sets.py MAIL_EXPLAIN       one line a set: counts, and each miss with its reason; 77: no sets here

Differences that are ours on purpose stand in DEVIATIONS, each with its reason; one that no longer occurs is a failure
too, so that the list stays true.
"""
import email
import email.policy
import glob
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import unicodedata
import xml.etree.ElementTree as ET

TOP = pathlib.Path(__file__).resolve().parents[2]
CORPORA = os.environ.get("SEKISHO_CORPORA") or str(TOP.parent / "shared/corpora")
EICAR = "2c7a24e14b230cfb2a57d7a01e285747f3db143a8092e19486b198028478b6af"
MOST_US, MOST_MEMORY = 50_000, 64 << 20

DEVIATIONS = {
    # mime4j drops text in front of a header that never comes; readers show it
    "malformedHeader-noheader.msg": "the whole text is body, as the message itself asks for",
    "malformedHeaderStartsBody-noheader.msg": "the whole text is body, as the message itself asks for",
    # mail-parser
    "mail-parser/malformed/001": "a line that is the whole outer boundary ends the inner part, whose boundary it begins with",
    "mail-parser/malformed/012": "the outer boundary ends an embedded message",
    "mail-parser/malformed/020": "the first of two Content-Type fields counts",
    "mail-parser/thirdparty/002": "base64 with junk is decoded, as clients do, not shown as it is",
}
used = set()
failures = []


def explain(files, *options):
    """One object for each file."""
    out = subprocess.run([sys.argv[1], *options, *files], stdout=subprocess.PIPE, check=False)
    if out.returncode:
        failures.append(f"mail_explain ended with {out.returncode}")
    return [json.loads(line.decode("utf-8")) for line in out.stdout.split(b"\n") if line]


def leaves(part):
    if "parts" in part:
        for child in part["parts"]:
            yield from leaves(child)
    else:
        yield part


def miss(name, why):
    """True when the difference is a known one."""
    if name in DEVIATIONS:
        used.add(name)
        print(f"    {name}: {DEVIATIONS[name]}")
        return
    failures.append(f"{name}: {why}")


# mime4j: the tree and the octets of each leaf

def wanted_tree(element, folder):
    for child in element:
        if child.tag in ("text-body", "binary-body"):
            return "leaf", (folder / child.attrib["name"]).read_bytes()
        if child.tag == "multipart":
            return "multipart", [wanted_tree(x, folder) for x in child if x.tag == "body-part"]
        if child.tag == "message":
            return "message", [wanted_tree(child, folder)]
    return "leaf", b""


def made_tree(part):
    if part["type"].startswith("multipart/") and "parts" in part:
        return "multipart", [made_tree(x) for x in part["parts"]]
    return ("message", [made_tree(x) for x in part["parts"]]) if "parts" in part else ("leaf", part)


def same_text(octets, part):
    texts = [octets.decode("utf-8", "replace"), octets.decode("latin-1")]
    return any(t.replace("\r\n", "\n") == part.get("text", "").replace("\r\n", "\n") for t in texts)


def tree_difference(want, made, path="1"):
    if want[0] != made[0]:
        return f"{path} is a {made[0]}, not a {want[0]}"
    if want[0] == "leaf":
        same = hashlib.sha256(want[1]).hexdigest() == made[1]["sha256"] or same_text(want[1], made[1])
        return None if same else f"{path} has other octets"
    if len(want[1]) != len(made[1]):
        return f"{path} has {len(made[1])} parts, not {len(want[1])}"
    return next(filter(None, (tree_difference(w, m, f"{path}.{i}") for i, (w, m) in enumerate(zip(want[1], made[1]), 1))), None)


def xml_of(path):
    text = path.read_text("latin-1")
    text = re.sub(r"<field>.*?</field>", "", text, flags=re.S)
    return ET.fromstring(re.sub(r"[\x00-\x08\x0b-\x1f]", "", text))


def mime4j():
    files = sorted(glob.glob(CORPORA + "/mime-mime4j/*/*.msg"))
    good = 0
    for answer in explain(files):
        path = pathlib.Path(answer["file"])
        want = wanted_tree(xml_of(path.with_name(path.stem + "_decoded.xml")), path.parent)
        why = tree_difference(want, made_tree(answer["explain"]["root"]))
        good += why is None
        if why:
            miss(path.name, why)
    print(f"mime4j: {good} of {len(files)} trees equal")


# mail-parser: the texts

def wanted_texts(message):
    def walk(index):
        body = message["parts"][index]["body"]
        kind = body if isinstance(body, str) else next(iter(body))
        if kind == "Multipart":
            return [t for i in body[kind] for t in walk(i)]
        if kind == "Message":
            return wanted_texts(body[kind])
        return [body[kind]] if kind in ("Text", "Html") else []
    return walk(0)


def plain(text):
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n"))


def mail_parser():
    files = sorted(glob.glob(CORPORA + "/mime-mail-parser/*/*.eml"))
    good = 0
    for answer in explain(files):
        path = pathlib.Path(answer["file"])
        want = json.loads(path.with_suffix(".json").read_text())
        root = answer["explain"]["root"]
        texts = [plain(t) for t in wanted_texts(want) if t]
        made = [plain(p["text"]) for p in leaves(root) if p.get("text")]
        subjects = [plain(h["value"]["Text"]) for h in want["parts"][0]["headers"]
                    if h["name"] == "subject" and "Text" in h["value"]]
        made_subjects = [plain(v) for n, v in root["header"] if n.lower() == "subject"]
        same = texts == made and subjects == made_subjects
        good += same
        if not same:
            miss(f"mail-parser/{path.parent.name}/{path.stem}", f"{texts} {subjects} is {made} {made_subjects}")
    print(f"mail-parser: {good} of {len(files)} texts equal")


# noxxi: what hides is found, or the message is noted as ambiguous

def ambiguous_names():
    text = (TOP / "src/mail/defects.def").read_text()
    return set(re.findall(r"^X\((\w+), AMBIGUOUS", text, re.M))


def noxxi():
    ambiguous = ambiguous_names()
    for folder in ("hide-content.d", "hide-filename.d"):
        files = sorted(glob.glob(f"{CORPORA}/mime-noxxi/{folder}/*"))
        seen_count = silent = 0
        for answer in explain(files):
            found = re.search(rb"X-Payload-Id: *(\S+) valid\((\d)\)", pathlib.Path(answer["file"]).read_bytes())
            case, valid = found[1].decode(), int(found[2])
            parts = list(leaves(answer["explain"]["root"]))
            if folder == "hide-content.d":
                seen = sum(p["sha256"] == EICAR for p in parts) == 1
            else:
                extension = ".png" if case.endswith(".png") else ".zip"
                seen = any(p["file_name"].lower().endswith(extension) for p in parts)
            noted = ambiguous & set(answer["explain"]["defects"])
            seen_count += seen
            if not seen and (not noted or (valid >= 2 and folder == "hide-content.d")):
                silent += 1
                failures.append(f"noxxi {case} valid({valid}): neither found nor noted")
        print(f"noxxi {folder}: {len(files)} messages, {seen_count} found, {silent} missed in silence")


# mime-python: Python's own email package is the oracle

def python_tree(message):
    kind = message.get_content_type()
    if message.is_multipart() and kind.startswith("multipart/"):
        return "multipart", [python_tree(x) for x in message.get_payload()]
    if message.is_multipart() and kind == "message/rfc822":
        return "message", [python_tree(message.get_payload(0))]
    if message.is_multipart():  # message/delivery-status and the like, which are no messages
        return "leaf", None
    return ("multipart", []) if kind.startswith("multipart/") else ("leaf", message.get_payload(decode=True) or b"")


def python_difference(want, made, path="1"):
    if want == ("multipart", []) and made[0] == "leaf" and made[1]["type"].startswith("multipart/"):
        return None  # no boundary
    if want[0] != made[0]:
        return f"{path} is a {made[0]}, not a {want[0]}"
    if want[0] == "leaf":
        if want[1] is None or hashlib.sha256(want[1]).hexdigest() == made[1]["sha256"]:
            return None
        try:
            return None if want[1].decode(made[1]["charset"] or "latin-1", "replace") == made[1].get("text") else path
        except LookupError:
            return path
    if len(want[1]) != len(made[1]):
        return f"{path} has {len(made[1])} parts, not {len(want[1])}"
    return next(filter(None, (python_difference(w, m, f"{path}.{i}") for i, (w, m) in enumerate(zip(want[1], made[1]), 1))), None)


def python():
    files = sorted(glob.glob(CORPORA + "/mime-python/*.txt"))
    good = 0
    for answer in explain(files):
        path = pathlib.Path(answer["file"])
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        why = python_difference(python_tree(message), made_tree(answer["explain"]["root"]))
        good += why is None
        if why:
            miss("python/" + path.name, why)
    print(f"python: {good} of {len(files)} trees equal")


# everything: no crash (a crash is a failed run), UTF-8 (decoding the JSON asks for it), time, memory, no U+FFFD

def bad_places(part):
    for name, value in part.get("header", []):
        if "\ufffd" in value:
            yield name
    if "\ufffd" in part.get("text", ""):
        yield part["type"]
    for child in part.get("parts", []):
        yield from bad_places(child)


def robustness():
    sets = ["dsn-sisimai", "mime-enmime", "mime-kmime", "mime-mimekit", "mime-python", "mime-ruby-mail", "mime-mime4j",
            "mime-mail-parser", "mime-noxxi"]
    limit = MOST_US * (20 if os.environ.get("SEKISHO_SLOW") else 1)
    for name in sets:
        files = [f for f in sorted(glob.glob(f"{CORPORA}/{name}/**", recursive=True)) if os.path.isfile(f)
                 and not re.search(r"README|LICENSE|COPYING|\.(json|xml|out)$", f)]
        slowest = largest = bad = 0
        for options in ([], ["--crlf"]):
            for answer in explain(files, *options):
                slowest, largest = max(slowest, answer["us"]), max(largest, answer["memory"])
                if answer["us"] > limit or answer["memory"] > MOST_MEMORY:
                    failures.append(f"{answer['file']}: {answer['us']} us, {answer['memory']} octets")
                raw = pathlib.Path(answer["file"]).read_bytes()
                places = [] if "\ufffd".encode() in raw else list(bad_places(answer["explain"]["root"]))
                if places and name == "dsn-sisimai":
                    bad += 1
                    failures.append(f"{answer['file']}: U+FFFD in {places}")
        print(f"{name}: {len(files)} messages, slowest {slowest / 1000:.1f} ms, most memory {largest >> 10} KiB"
              + (f", {bad} with U+FFFD" if name == "dsn-sisimai" else ""))


def main():
    if not os.path.isdir(CORPORA + "/mime-mime4j"):
        print(f"SKIPPED: no public message sets at {CORPORA}")
        return 77
    mime4j()
    mail_parser()
    python()
    noxxi()
    robustness()
    for name in set(DEVIATIONS) - used:
        failures.append(f"{name}: listed as a deviation, but there is none")
    for line in failures:
        print("not ok " + line[:1000])
    print(f"{len(failures)} failures, {len(used)} listed deviations")
    return 1 if failures else 0


sys.exit(main())
