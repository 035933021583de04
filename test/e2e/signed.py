"""A root of the DNS of our own, signed, in NSD; zones below it that are not; and what a test of certificates needs."""
import functools

from lib import *


def openssl(*argv):
    return command(["openssl", *argv])


class Certificates:
    """An authority of the test's own, and certificates by it."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key",
                "-out", self.authority, "-days", "30", "-subj", "/CN=test authority")

    def leaf(self, name, names, days=20, chain=False):
        """(certificate, key); chain: the file has the authority's certificate too."""
        d = self.folder
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", d / f"{name}.key",
                "-out", d / f"{name}.csr", "-subj", f"/CN={name}")
        (d / f"{name}.ext").write_text("subjectAltName=" + ",".join(f"DNS:{n}" for n in names))
        openssl("x509", "-req", "-in", d / f"{name}.csr", "-CA", self.authority, "-CAkey", d / "ca.key", "-CAcreateserial",
                "-days", days, "-extfile", d / f"{name}.ext", "-out", d / f"{name}.pem")
        if chain:
            with open(d / f"{name}.pem", "ab") as out:
                out.write(self.authority.read_bytes())
        return d / f"{name}.pem", d / f"{name}.key"


@functools.cache
def tlsa(certificate, selector=1, matching=1):
    """The data of a TLSA record behind its usage."""
    if selector:
        pem = openssl("x509", "-in", certificate, "-pubkey", "-noout")
        der = base64.b64decode(b"".join(pem.split(b"-----")[2].split()))
    else:
        der = openssl("x509", "-in", certificate, "-outform", "DER")
    data = {0: der, 1: hashlib.sha256(der).digest(), 2: hashlib.sha512(der).digest()}[matching]
    return f"{selector} {matching} {data.hex()}"


class SignedRoot:
    """lines: of the root; below: {zone: lines} that are not signed; forge: changes a line of the signed zone, or None."""

    def __init__(self, lines, below=None, forge=None):
        need("nsd", "ldns-signzone", "ldns-keygen")
        self.port = free_ports(1)
        d = self.folder = work() / "signed-root"
        d.mkdir()
        soa = "60 IN SOA ns.example. root.example. 1 3600 600 86400 60"
        below = below or {}
        (d / "root").write_text("\n".join([f". {soa}", ". 60 IN NS ns.example.", "ns.example. 60 IN A 127.0.0.1",
                                           *[f"{zone}. 60 IN NS ns.example." for zone in below], *lines]) + "\n")
        for zone, more in below.items():
            (d / zone).write_text("\n".join([f"{zone}. {soa}", f"{zone}. 60 IN NS ns.example.", *more]) + "\n")
        key = command(["ldns-keygen", "-k", "-a", "ECDSAP256SHA256", "."], cwd=d).decode().strip()
        command(["ldns-signzone", "-f", "root.signed", "root", key], cwd=d)
        if forge:
            text = (d / "root.signed").read_text().splitlines()
            forged = [forge(line) or line for line in text]
            expect(forged != text, "a record was changed after it was signed")
            (d / "root.signed").write_text("\n".join(forged) + "\n")
        self.anchor = next(d.glob("K.*.ds"))
        self.serve({".": "root.signed", **{zone: zone for zone in below}})

    def serve(self, files):
        d = self.folder
        zones = "".join(f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n' for name, file in files.items())
        (d / "nsd.conf").write_text(f"""server:
  ip-address: 127.0.0.1@{self.port}
  zonesdir: "{d}"
  pidfile: "{d}/pid"
  xfrdfile: "{d}/xfrd"
  zonelistfile: "{d}/list"
  database: ""
  username: ""
  server-count: 1
remote-control:
  control-enable: no
{zones}""")
        self.process = subprocess.Popen(["nsd", "-d", "-c", d / "nsd.conf"], stdout=open(d / "log", "wb"), stderr=subprocess.STDOUT)
        atexit.register(self.process.terminate)
        wait_for(lambda: listens(self.port), 10, lambda: f"NSD answers: {(d / 'log').read_text()[-300:]}")
