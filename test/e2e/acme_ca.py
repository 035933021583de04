"""A real certificate authority for tests: Debian's pebble and its DNS server, on loopback."""
import os
import subprocess
import urllib.request

from lib import *


class Authority:
    """pebble with a certificate of its own for 127.0.0.1; what it validates is asked of one instance's ports."""

    def __init__(self, name, nonce_reject=5, binding=False, nameserver=None):
        need("pebble", "pebble-challtestsrv", "openssl")
        self.name = name
        self.nonce_reject = nonce_reject
        self.binding = binding
        self.nameserver = nameserver  # the port of one that has the names; None: its own, which is told records
        self.dir = work() / f"ca-{name}"
        self.dir.mkdir()
        self.base = free_ports(6)
        self.process = self.names = None
        self.key, self.cert = self.dir / "key.pem", self.dir / "cert.pem"
        command(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-keyout", self.key, "-out", self.cert, "-subj", "/CN=pebble", "-addext",
                 "subjectAltName=IP:127.0.0.1"])

    @property
    def directory(self):
        return f"https://127.0.0.1:{self.base}/dir"

    @property
    def eab(self):
        return "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

    def start(self, http_port, tls_port):
        self.http_port, self.tls_port = http_port, tls_port
        config = {"pebble": {
            "listenAddress": f"127.0.0.1:{self.base}", "managementListenAddress": f"127.0.0.1:{self.base + 1}",
            "certificate": str(self.cert), "privateKey": str(self.key), "httpPort": http_port, "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": self.binding,
            "externalAccountMACKeys": dict([self.eab])}}
        (self.dir / "config.json").write_text(json.dumps(config))
        if not self.names and not self.nameserver:
            self.names = self.spawn(["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.base + 2}", "-http01", "", "-https01",
                                     "", "-tlsalpn01", "", "-management", f"127.0.0.1:{self.base + 3}", "-defaultIPv6", ""], "names")
        env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject), "PEBBLE_AUTHZREUSE": "0"}
        self.process = self.spawn(["pebble", "-strict", "-config", self.dir / "config.json", "-dnsserver",
                                   f"127.0.0.1:{self.nameserver or self.base + 2}"], "pebble", env)
        wait_for(lambda: listens(self.base) and listens(self.base + 1) and (not self.names or listens(self.base + 3)), 20,
                 "the authority answers")
        return self

    def spawn(self, argv, log, env=None):
        out = open(self.dir / f"{log}.log", "ab")
        return subprocess.Popen([str(a) for a in argv], stdout=out, stderr=out, env={**os.environ, **(env or {})})

    def stop(self, names=False):
        for one in [self.process] + ([self.names] if names else []):
            if one and one.poll() is None:
                one.terminate()
                one.wait(10)

    def root(self):
        """The certificate that its certificates come from: another one at each start."""
        inside = ssl.create_default_context(cafile=str(self.cert))
        with urllib.request.urlopen(f"https://127.0.0.1:{self.base + 1}/roots/0", context=inside, timeout=10) as got:
            return got.read()

    def status_of(self, serial):
        inside = ssl.create_default_context(cafile=str(self.cert))
        url = f"https://127.0.0.1:{self.base + 1}/cert-status-by-serial/{serial}"
        with urllib.request.urlopen(url, context=inside, timeout=10) as got:
            return json.loads(got.read())["Status"]

    def record(self, name, value):
        """A TXT record, for dns-01."""
        body = json.dumps({"host": name + ".", "value": value}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.base + 3}/set-txt", body, timeout=10).read()


def subject(instance, port="https", name=None, starttls=None):
    """(names, serial, issuer) of the certificate that this port shows, verified by nobody."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{instance.ports[port]}", "-noservername"]
    if name:
        argv[-1:] = ["-servername", name]
    if starttls:
        argv += ["-starttls", starttls]
    shown = command(argv, input=b"", good=(0, 1))
    text = command(["openssl", "x509", "-noout", "-serial", "-issuer", "-ext", "subjectAltName"], input=shown).decode()
    names = {part.strip()[4:] for line in text.splitlines() for part in line.split(",") if part.strip().startswith("DNS:")}
    serial = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("serial="))
    issuer = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("issuer="))
    return names, serial, issuer
