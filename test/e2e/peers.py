"""Other mail servers from Debian, each in a root of its own: their packages exclude one another, and none of them
shall be installed on the machine that runs the tests.

A root is an overlay over the machine's own file system, in a mount and process namespace of its own: the package is
installed into the overlay's upper folder once (build/peers/NAME, kept between runs), and everything the peer starts ends with
the namespace. Needs root; where that or the overlay cannot be had, the tests of peers are skipped.
"""
import contextlib
import os
import pathlib
import subprocess
import textwrap

import lib

PACKAGES = {
    "postfix": "postfix",
    "exim": "exim4-daemon-light",
    "opensmtpd": "opensmtpd",
    "transport": "postfix unbound postfix-mta-sts-resolver",
    "reference": "postfix dovecot-imapd dovecot-pop3d dovecot-lmtpd",
}

# $1 root folder, $2 shared folder, $3 the layer that is written: the package is installed into "upper", and a running
# peer has a copy of it in memory. The shell stays, as the process whose end ends the namespace.
ENTER = r"""
set -e
mount -t tmpfs none "$1/root"
mkdir "$1/root/m" "$1/root/work"
case $3 in
upper) layers=lowerdir=/,upperdir=$1/upper,workdir=$1/work ;;
*)
	cp -a "$1/upper" "$1/root/"
	layers=lowerdir=/,upperdir=$1/root/upper,workdir=$1/root/work
	;;
esac
mount -t overlay overlay -o "$layers" "$1/root/m"
mount -t proc proc "$1/root/m/proc"
mount --rbind /dev "$1/root/m/dev"
mkdir -p "$1/root/m/state"
mount --bind "$2" "$1/root/m/state"
root=$1/root/m
shift 3
chroot "$root" "$@"
exit $?
"""

INSTALL = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update -qq
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" || {
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}
getent passwd peermail >/dev/null || useradd -r -M -u 4242 -s /usr/sbin/nologin peermail
touch /installed
"""


def namespace(root, state, layer, argv):
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private",
            "sh", "-c", ENTER, "sh", str(root), str(state), layer, *argv]


def provide(name):
    """The root of a peer, installed when it is not yet there."""
    if os.geteuid() != 0:
        raise lib.Skipped("not root: peers from Debian need roots of their own")
    root = lib.TOP / "build/peers" / name
    if (root / "upper/installed").exists():
        return root
    for part in ("upper", "work", "root", "state"):
        (root / part).mkdir(parents=True, exist_ok=True)
    log = root / "install.log"
    with open(log, "wb") as out:
        done = subprocess.run(namespace(root, root / "state", "upper", ["sh", "-c", INSTALL, "sh", *PACKAGES[name].split()]),
                              stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=280)
    if done.returncode != 0:
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise lib.Skipped(f"{name} could not be installed in a root of its own: {' '.join(last)}")
    return root


class Peer:
    """A running mail server for one domain. `routes` says where other domains' mail goes."""

    def __init__(self, domain, routes=()):
        self.domain, self.routes = domain, dict(routes)
        self.state = lib.work() / f"peer-{self.name}-{domain}"
        self.process = None
        self.port = lib.free_ports(8)

    def start(self):
        root = provide(self.name)
        self.root = root
        self.state.mkdir(parents=True)
        self.state.chmod(0o755)
        mail = self.state / "mail"
        mail.mkdir()
        os.chown(mail, 4242, 4242)
        self.write("key.conf", "")
        lib.command(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", self.state / "key.pem", "-out", self.state / "cert.pem", "-days", "30",
                     "-subj", f"/CN=mail.{self.domain}", "-addext", "subjectAltName=DNS:localhost"])
        self.configure()
        with open(self.state / "output", "wb") as out:
            self.process = subprocess.Popen(namespace(root, self.state, "own", ["sh", "/state/start"]), stdout=out,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        _running.append(self)
        lib.wait_for(lambda: lib.listens(self.port), 30,
                     lambda: f"{self.name} answers: {(self.state / 'output').read_text(errors='replace')[-300:]}")
        return self

    def write(self, name, text):
        path = self.state / name
        path.write_text(textwrap.dedent(text))
        return path

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
            _running.remove(self)

    def received(self):
        """The messages in the peer's maildirs, as octets with the LF line ends of files."""
        found = sorted(p for sub in ("new", "cur") for p in self.state.glob(f"mail/*/{sub}/*") if p.is_file())
        return [p.read_bytes() for p in found]

    def wait(self, wanted, seconds=30):
        """The one message with this Message-ID."""
        def there():
            return [m for m in self.received() if lib.message_id(m) == wanted]
        found = lib.wait_for(there, seconds, lambda: f"{wanted} arrives at {self.name}; its log: {self.log()[-400:]}",
                             0.1)
        lib.equal(len(found), 1, f"copies of {wanted} at {self.name}")
        return found[0]

    def log(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.state.glob("log*")))


_running = []


@lib.atexit.register
def _stop_all():
    for peer in list(_running):
        with contextlib.suppress(Exception):
            peer.stop()


def next_hop(to):
    host, _, port = to.rpartition(":")
    return host, port


class Postfix(Peer):
    name = "postfix"

    def configure(self):
        self.write("main.cf", f"""\
            compatibility_level = 3.6
            maillog_file = /state/log
            maillog_file_prefixes = /state
            myhostname = mail.{self.domain}
            mydestination =
            alias_maps =
            inet_interfaces = 127.0.0.1
            inet_protocols = ipv4
            mynetworks = 127.0.0.0/8
            smtpd_tls_cert_file = /state/cert.pem
            smtpd_tls_key_file = /state/key.pem
            smtpd_tls_security_level = may
            smtp_tls_security_level = may
            virtual_mailbox_domains = {self.domain}
            virtual_mailbox_base = /state/mail
            virtual_mailbox_maps = inline:{{{{ @{self.domain} = all/ }}}}
            virtual_uid_maps = static:4242
            virtual_gid_maps = static:4242
            virtual_mailbox_limit = 0
            message_size_limit = 60000000
            transport_maps = inline:{{ {', '.join(f'{{ {d} = smtp:[{next_hop(t)[0]}]:{next_hop(t)[1]} }}'
                                                  for d, t in self.routes.items())} }}
            smtputf8_enable = yes
            minimal_backoff_time = 5s
            queue_run_delay = 5s
            """)
        self.write("start", f"""\
            set -e
            cp /state/main.cf /etc/postfix/main.cf
            cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
            postconf -M# smtp/inet
            postconf -M {self.port}/inet='{self.port} inet n - n - - smtpd'
            for s in $(postconf -M | awk '{{ print $1 "/" $2 }}'); do postconf -F "$s/chroot=n"; done
            exec postfix start-fg
            """)


class SevenBitPostfix(Postfix):
    """One that takes no 8-bit messages."""

    def configure(self):
        super().configure()
        with open(self.state / "main.cf", "a") as out:
            out.write("smtpd_discard_ehlo_keywords = 8bitmime, chunking, smtputf8\n")


class Exim(Peer):
    name = "exim"

    def configure(self):
        routes = "\n".join(f"""\
route_{i}:
  driver = manualroute
  domains = {d}
  transport = out_{i}
  route_list = * {next_hop(t)[0]}
  self = send
  no_more""" for i, (d, t) in enumerate(self.routes.items()))
        transports = "\n".join(f"""\
out_{i}:
  driver = smtp
  port = {next_hop(t)[1]}
  allow_localhost
  hosts_try_prdr = :
  message_linelength_limit = 1000000
  tls_verify_hosts = :
  tls_try_verify_hosts = :""" for i, (d, t) in enumerate(self.routes.items()))
        (self.state / "exim4.conf").write_text(f"""\
primary_hostname = mail.{self.domain}
domainlist local_domains = {self.domain}
daemon_smtp_ports = {self.port}
local_interfaces = 127.0.0.1
log_file_path = /state/exim/log%s
spool_directory = /state/exim
pid_file_path = /state/exim/pid
tls_certificate = /state/cert.pem
tls_privatekey = /state/key.pem
tls_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
message_size_limit = 60M
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
acl_smtp_dkim =
qualify_domain = {self.domain}
never_users =
host_lookup =
rfc1413_hosts =
keep_environment =
smtp_accept_max = 200
queue_run_in_order = false
begin acl
acl_rcpt:
  accept hosts = 127.0.0.1
         control = dkim_disable_verify
  deny
acl_data:
  accept
begin routers
{routes}
local:
  driver = accept
  domains = +local_domains
  local_parts = *
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /state/mail/${{lc:${{local_part_data}}}}
  maildir_format
  create_directory
  user = peermail
  group = peermail
  delivery_date_add
  return_path_add
{transports}
begin retry
* * F,1h,5s
begin rewrite
begin authenticators
""")
        self.write("start", """\
            set -e
            mkdir -p /state/exim
            chown Debian-exim /state/exim
            cp /state/exim4.conf /etc/exim4/exim4.conf
            chmod 644 /etc/exim4/exim4.conf
            /usr/sbin/exim4 -bdf -q2s
            """)

    def log(self):
        return "".join(p.read_text(errors="replace") for p in sorted((self.state / "exim").glob("log*")))


class OpenSmtpd(Peer):
    name = "opensmtpd"

    def configure(self):
        routes = "\n".join(f'action "out{i}" relay host smtp://{t}\n'
                           f'match from any for domain "{d}" action "out{i}"' for i, (d, t) in
                           enumerate(self.routes.items()))
        (self.state / "smtpd.conf").write_text(f"""\
pki mail.{self.domain} cert "/state/osmtpd.pem"
pki mail.{self.domain} key "/state/osmtpd.key"
table vusers {{ "@" = peermail }}
smtp max-message-size 60M
queue ttl 1h
listen on 127.0.0.1 port {self.port} tls pki mail.{self.domain} hostname mail.{self.domain}
action "in" maildir "/state/mail/%{{rcpt.user}}" virtual <vusers>
match from any for domain "{self.domain}" action "in"
{routes}
""")
        self.write("start", """\
            set -e
            cp /state/cert.pem /state/osmtpd.pem
            cp /state/key.pem /state/osmtpd.key
            chmod 600 /state/osmtpd.key
            cp /state/smtpd.conf /etc/smtpd.conf
            exec smtpd -d -f /etc/smtpd.conf
            """)

    def log(self):
        return (self.state / "output").read_text(errors="replace")


class Reference(Peer):
    """Postfix with Dovecot behind the same interface as lib.Instance: the tests are tried on it first, so that a
    failure on the product is the product's. Not every promise of the product can be had here."""

    name = "reference"

    def __init__(self, name, routes=(), dns=(), clock_offset=0, domain=None, **_):
        super().__init__(domain or f"{name}.test", routes)
        self.instance_name = name
        base = self.base = self.port
        self.ports = {"smtp": base, "submission": base + 1, "submissions": base + 2, "imap": base + 3,
                      "imaps": base + 4, "pop3": base + 5, "pop3s": base + 6}
        self.users = []

    def configure(self):
        p = self.ports
        self.users = [lib.Account(f"{u}@{self.domain}", "pass") for u in ("alice", "bob", "carol")]
        self.ca = self.state / "cert.pem"
        Postfix.configure(self)
        main = (self.state / "main.cf").read_text()
        known = [*self.users, *(f"user{i}@{self.domain}" for i in range(1, 101))]
        kept = [line for line in main.splitlines(True) if not line.startswith(("virtual_mailbox_maps", "mynetworks"))]
        self.write("main.cf", "".join(kept) + f"""\
virtual_transport = lmtp:unix:/run/dovecot/lmtp
virtual_mailbox_maps = inline:{{ {', '.join(f'{{ {u} = x }}' for u in known)} }}
recipient_delimiter = +
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/dovecot/auth-postfix
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
mynetworks =
""")
        start = (self.state / "start").read_text()
        self.write("start", start.replace("exec postfix start-fg", f"""\
postconf -M {p['submission']}/inet='{p['submission']} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt'
postconf -M {p['submissions']}/inet='{p['submissions']} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_wrappermode=yes'
dovecot -F -c /state/dovecot.conf &
exec postfix start-fg
"""))
        self.write("dovecot.conf", f"""\
            protocols = imap pop3 lmtp
            listen = 127.0.0.1
            log_path = /state/log-dovecot
            mail_location = sdbox:/state/mail/%n
            mail_uid = peermail
            mail_gid = peermail
            first_valid_uid = 1
            ssl = required
            ssl_cert = </state/cert.pem
            ssl_key = </state/key.pem
            auth_mechanisms = plain login scram-sha-256
            mail_max_userip_connections = 100
            passdb {{
              driver = static
              args = password=pass
            }}
            userdb {{
              driver = static
              args = uid=peermail gid=peermail home=/state/mail/%n
            }}
            namespace inbox {{
              inbox = yes
              separator = /
            }}
            service imap-login {{
              inet_listener imap {{
                port = {p['imap']}
              }}
              inet_listener imaps {{
                port = {p['imaps']}
              }}
            }}
            service pop3-login {{
              inet_listener pop3 {{
                port = {p['pop3']}
              }}
              inet_listener pop3s {{
                port = {p['pop3s']}
              }}
            }}
            service auth {{
              unix_listener auth-postfix {{
                mode = 0666
              }}
            }}
            service lmtp {{
              unix_listener lmtp {{
                mode = 0666
              }}
            }}
            protocol lmtp {{
              auth_username_format = %Ln
            }}
            """)
