#!/usr/bin/python3
"""
Signatures of ours as dkimpy, OpenDKIM and Mail::DKIM judge them, and dkimpy's and Mail::DKIM's as we do, on every message of
the public sets that a mail server could have: with CRLF, one From field and no bare CR.

usage: dkim_peers.py DKIM_PEER

The messages take turns with the ways to canonicalise and the kinds of keys; SEKISHO_LONG=1: each message in each way.
"""
import base64
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

CORPORA = pathlib.Path(os.environ.get("SEKISHO_CORPORA", pathlib.Path(__file__).resolve().parents[3] / "shared/corpora"))
LONG = bool(os.environ.get("SEKISHO_LONG"))
MOST = 300_000  # octets: beyond it Python's regular expressions take minutes

try:
    import dkim
except ImportError:
    print("SKIPPED: python3-dkim is not installed", file=sys.stderr)
    sys.exit(77)

CANON = list(itertools.product((b"simple", b"relaxed"), repeat=2))
SELECTORS = ("r1024", "r2048", "r4096", "ed")
bad = 0


def wrong(what):
    global bad
    bad += 1
    print(f"not ok {what}")


def messages():
    """(name, octets) of each that fits."""
    for path in sorted(CORPORA.rglob("*")):
        if not path.is_file() or path.suffix not in (".eml", ".msg", ".txt") or path.stat().st_size > MOST:
            continue
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if text.startswith(b"From "):
            text = text.partition(b"\r\n")[2]
        head = text.partition(b"\r\n\r\n")[0] + b"\r\n"
        # Another's signature stays in the message and is not looked at; a header line that is none is nobody's to sign.
        lines = re.split(rb"\r\n(?![ \t])", head[:-2])
        if b"\r" in text.replace(b"\r\n", b"") or len(re.findall(rb"(?im)^from[ \t]*:", head)) != 1 or b"\0" in text:
            continue
        if not all(re.match(rb"[!-9;-~]+[ \t]*:", line) for line in lines):
            continue
        yield str(path.relative_to(CORPORA)), text if text.endswith(b"\r\n") else text + b"\r\n"


class Peer:
    """Our side."""

    def __init__(self, program, zone, keys):
        self.process = subprocess.Popen([program, zone, keys], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, line, message):
        self.process.stdin.write(line.encode() + b" %d\n" % len(message) + message)
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def sign(self, message, selector, canon):
        n = int(self.ask(f"sign {selector} {canon[0].decode()} {canon[1].decode()}", message))
        return self.process.stdout.read(n)

    def verify(self, message):
        """The result of the first signature."""
        return (self.ask("verify", message).split() or [b"none"])[0].decode()


class Keys:
    def __init__(self, folder):
        self.folder, self.records, self.private = folder, {}, {}
        for selector in SELECTORS:
            path = folder / f"{selector}.pem"
            if selector == "ed":
                subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
                der = subprocess.run(["openssl", "pkey", "-in", path, "-outform", "DER"], capture_output=True, check=True).stdout
                public = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], capture_output=True).stdout
                self.private[selector] = base64.b64encode(der[-32:])
                record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()
            else:
                subprocess.run(["openssl", "genrsa", "-traditional", "-out", path, selector[1:]], check=True, capture_output=True)
                public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout", "-outform", "DER"], capture_output=True).stdout
                self.private[selector] = path.read_bytes()
                record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
            self.records[f"{selector}._domainkey.peer.example"] = record

    def dns(self, name, timeout=5):
        return self.records.get(name.decode().rstrip("."), "").encode() or None


def flipped(message, head):
    """One letter of the body, or of the Subject, is another."""
    at = re.search(rb"(?im)^(?:from)[ \t]*:[^\r]*?([a-z0-9])", message) if head else re.search(rb"\r\n\r\n[\0-\xff]*?([a-z0-9])", message)
    if not at:
        return None
    return message[:at.start(1)] + bytes([message[at.start(1)] ^ 1]) + message[at.end(1):]


def ways(n):
    every = list(itertools.product(SELECTORS, CANON))
    return every if LONG else [every[n % len(every)]]


def believed(message, keys):
    try:
        return dkim.DKIM(message).verify(0, dnsfunc=keys.dns)
    except dkim.DKIMException:
        return False


def theirs(message, selector, canon, keys):
    """dkimpy's field; None: it cannot read the message."""
    try:
        return dkim.sign(message, selector.encode(), b"peer.example", keys.private[selector], canonicalize=canon,
                         signature_algorithm=b"ed25519-sha256" if selector == "ed" else b"rsa-sha256")
    except (dkim.DKIMException, UnicodeDecodeError):
        return None


def compare(peer, keys, signed):
    count = {"messages": 0, "ours, dkimpy": 0, "dkimpy's, us": 0, "changed ones refused": 0, "unread by dkimpy": 0, "unfit for us": 0}
    for n, (name, message) in enumerate(messages()):
        count["messages"] += 1
        for selector, canon in ways(n):
            what = f"{name} {selector} {canon[0].decode()}/{canon[1].decode()}"
            field = peer.sign(message, selector, canon)
            other = theirs(message, selector, canon, keys)
            if not field:
                count["unfit for us"] += 1
                print(f"     unfit {what}")
            if other is None:
                count["unread by dkimpy"] += 1
                print(f"     dkimpy cannot read {what}")
            if field:
                mine = field + message
                equal = peer.verify(mine) == "pass"
                if not equal:
                    wrong(f"{what}: our own signature, as we judge it")
                if selector != "ed":
                    signed.append((what, mine))
                if other is not None:
                    count["ours, dkimpy"] += 1
                    if not believed(mine, keys):
                        wrong(f"{what}: our signature, as dkimpy judges it")
                for head in (False, True):
                    changed = flipped(message, head)
                    if changed is None:
                        continue
                    count["changed ones refused"] += 1
                    if peer.verify(field + changed) == "pass":
                        wrong(f"{what}: we believe a changed {'header' if head else 'body'}")
            if other is not None:
                count["dkimpy's, us"] += 1
                got = peer.verify(other + message)
                if got != "pass":
                    wrong(f"{what}: dkimpy's signature: {got}")
    print(", ".join(f"{k}: {v}" for k, v in count.items()))


PERL = r"""
use Mail::DKIM::Verifier; use Mail::DKIM::Signer; use Mail::DKIM::DNS;
my ($zone, $folder) = @ARGV;
my %k; open(my $z, '<', $zone); while (<$z>) { chomp; my ($n, $r) = split(/ /, $_, 2); $k{$n} = $r; }
{ no warnings 'redefine';
  *Mail::DKIM::DNS::query = sub { my ($n, $t) = @_; return () unless $k{$n}; return (bless {r => $k{$n}}, 'RR'); }; }
{ package RR; sub type { 'TXT' } sub txtdata { $_[0]{r} } sub char_str_list { $_[0]{r} } }
sub slurp { local $/; open(my $m, '<', $_[0]); binmode $m; return <$m>; }
for my $file (sort glob("$folder/*.signed")) {
    my $text = slurp($file);
    my $v = Mail::DKIM::Verifier->new; $v->PRINT($text); $v->CLOSE;
    my ($first) = $v->signatures; print "$file ", ($first ? $first->result : 'none'), "\n";
}
my @canon = ('simple/simple', 'simple/relaxed', 'relaxed/simple', 'relaxed/relaxed');
my $n = 0;
for my $file (sort glob("$folder/*.plain")) {
    my $text = slurp($file);
    my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $canon[$n++ % 4], Domain => 'peer.example', Selector => 'r2048',
                                    KeyFile => "$zone.r2048");
    $s->PRINT($text); $s->CLOSE;
    open(my $o, '>', "$file.theirs"); binmode $o; print $o $s->signature->as_string, "\r\n", $text;
}
"""


def with_perl(peer, keys, signed, folder):
    for n, (_, mine) in enumerate(signed):
        (folder / f"{n:06}.signed").write_bytes(mine)
        (folder / f"{n:06}.plain").write_bytes(mine.partition(b"peer.example")[2] and re.sub(rb"\A.*\r\n(?:[ \t].*\r\n)*", b"", mine, 1))
    shutil.copy(keys.folder / "r2048.pem", f"{folder}/keys.r2048")
    (folder / "keys").write_text("".join(f"{n} {r}\n" for n, r in keys.records.items()))
    out = subprocess.run(["perl", "-e", PERL, folder / "keys", folder], capture_output=True, text=True)
    results = dict(line.rsplit(" ", 1) for line in out.stdout.splitlines())
    if out.returncode:
        wrong(f"Mail::DKIM: {out.stderr[-500:]}")
    seen = 0
    for n, (what, _) in enumerate(signed):
        result = results.get(str(folder / f"{n:06}.signed"))
        seen += result == "pass"
        if result != "pass":
            wrong(f"{what}: our signature, as Mail::DKIM judges it: {result}")
    taken = 0
    for n, (what, _) in enumerate(signed):
        path = folder / f"{n:06}.plain.theirs"
        got = peer.verify(path.read_bytes()) if path.exists() else "missing"
        taken += got == "pass"
        if got != "pass":
            wrong(f"{what}: Mail::DKIM's signature: {got}")
    print(f"Mail::DKIM: {seen} of ours believed, {taken} of its own believed by us, of {len(signed)}")


def opendkim(path):
    """
    True, False, or None: it did not look (a message without Date, or with fields twice, is none to it), or could not: the milter
    protocol does not tell it what stands between the colon and the value, which "simple" covers.
    """
    message = path.read_bytes()
    head = message.partition(b"\r\n\r\n")[0]
    if b"c=simple/" in head.partition(b"b=")[0] and re.search(rb"(?m)^[!-9;-~]+:(?! [^ \t\r])", head):
        return None
    out = subprocess.run(["opendkim", "-x", path.parent / "opendkim.conf", "-vv", "-t", path], capture_output=True)
    text = out.stdout + out.stderr
    if b"verification (s=r" not in text:
        return None
    return b"succeeded" in text


def with_opendkim(signed, folder):
    (folder / "opendkim.conf").write_text(f"Mode v\nTestPublicKeys {folder}/keys\nOn-KeyNotFound accept\n")
    count = {True: 0, False: 0, None: 0}
    refused = 0
    for n, (what, mine) in enumerate(signed):
        path = folder / f"{n:06}.signed"
        result = opendkim(path)
        count[result] += 1
        if result is False:
            wrong(f"{what}: our signature, as OpenDKIM judges it")
        changed = flipped(mine, False)
        if result and changed:
            path.write_bytes(changed)
            refused += 1
            if opendkim(path):
                wrong(f"{what}: OpenDKIM believes a changed body")
    if not count[True]:
        wrong("OpenDKIM believes nothing")
    print(f"OpenDKIM: {count[True]} of ours believed, {refused} refused after a change, {count[None]} not looked at")


def main():
    if not CORPORA.is_dir():
        print(f"SKIPPED: no messages in {CORPORA}", file=sys.stderr)
        return 77
    signed = []
    with tempfile.TemporaryDirectory(prefix="dkim-peers-") as tmp:
        tmp = pathlib.Path(tmp)
        (tmp / "pem").mkdir()
        (tmp / "mail").mkdir()
        keys = Keys(tmp / "pem")
        (tmp / "zone").write_text("".join(f"{n} TXT {r}\n" for n, r in keys.records.items()))
        peer = Peer(sys.argv[1], tmp / "zone", tmp / "pem")
        compare(peer, keys, signed)
        if not LONG:
            signed = signed[::7]
        if shutil.which("perl"):
            with_perl(peer, keys, signed, tmp / "mail")
        if shutil.which("opendkim"):
            with_opendkim(signed, tmp / "mail")
        peer.process.stdin.close()
        peer.process.wait()
    print(f"{bad} wrong")
    return 1 if bad else 0


sys.exit(main())
