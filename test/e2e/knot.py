"""A real name server (Knot) that takes dynamic updates, and instances that ask it."""
from lib import *

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


class WithoutFixture(Instance):
    """Asks real name servers."""

    def argv(self):
        argv = super().argv()
        at = argv.index("--dns")
        return argv[:at] + argv[at + 2:]


class Knot:
    """Knot DNS with one signed zone that takes updates signed by our key. Not below .test: libunbound answers for that itself."""

    def __init__(self, domain, more=""):
        """more: further lines of the zone."""
        need("knotd", "kdig")
        self.domain = domain
        self.port = free_ports(1)
        self.folder = work() / f"knot-{domain}"
        self.folder.mkdir()
        zone = self.folder / "zone"
        zone.write_text(f"$ORIGIN {domain}.\n$TTL 300\n@ SOA ns root 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\n"
                        f'@ TXT "somebody-else=1"\n_dmarc TXT "v=DMARC1; p=quarantine"\n{more}')
        conf = self.folder / "knot.conf"
        conf.write_text(f"""
server:
    rundir: "{self.folder}"
    listen: [ 127.0.0.1@{self.port} ]
key:
  - id: ours.
    algorithm: hmac-sha256
    secret: {KEY}
acl:
  - id: updates
    key: ours.
    action: update
database:
    storage: "{self.folder}"
template:
  - id: default
    storage: "{self.folder}"
zone:
  - domain: {domain}.
    file: "{zone}"
    acl: updates
    dnssec-signing: on
log:
  - target: stdout
    any: info
""")
        self.process = subprocess.Popen(["knotd", "-c", conf], stdout=open(self.folder / "out", "wb"),
                                        stderr=subprocess.STDOUT)
        atexit.register(self.process.kill)
        wait_for(lambda: self.ask(domain, "DNSKEY"), 20, "knot answers")
        self.anchor = self.folder / "anchor"
        self.anchor.write_text("".join(f"{domain}. IN DNSKEY {key}\n" for key in self.ask(domain, "DNSKEY")
                                       if key.startswith("257 ")))

    def ask(self, name, kind):
        out = command(["kdig", "+short", "+tcp", "@127.0.0.1", "-p", self.port, name, kind], good=(0, 1)).decode()
        return sorted(out.split("\n")[:-1])

    def options(self, key=KEY):
        """Of an instance that asks this server, and updates it with this key."""
        secret = pathlib.Path(tempfile.mkstemp(dir=self.folder)[1])
        secret.write_text(key + "\n")
        return {"dns_servers": f"127.0.0.1:{self.port}", "dns_anchor_file": self.anchor, "dns_update_key": "ours.",
                "dns_update_server": f"127.0.0.1:{self.port}", "dns_update_key_file": secret}
