"""What the end-to-end tests share: reporting, instances of the product, wire-level clients, waiting.

A test script says

    from lib import *

    @test
    def name(): ...            # returns normally: ok; raises Failed or anything else: not ok; raises Skipped: skip

    run_tests()

and prints the lines test/run reads. Tests run in the order in which they stand; instances that were started are
stopped at the end, whatever happens. Only the Python standard library is used.
"""
import atexit
import base64
import contextlib
import email
import hashlib
import hmac
import imaplib
import json
import os
import pathlib
import poplib
import random
import resource
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import traceback

TOP = pathlib.Path(os.environ.get("TOP") or pathlib.Path(__file__).resolve().parent.parent.parent)
BINARY = pathlib.Path(os.environ.get("SEKISHO") or TOP / "build/sekisho")
CORPORA = pathlib.Path(os.environ.get("SEKISHO_CORPORA") or TOP.parent / "shared/corpora")
LONG = bool(os.environ.get("SEKISHO_LONG"))
REFERENCE = os.environ.get("SEKISHO_E2E_SUBJECT") == "reference"  # tries the tests on Postfix and Dovecot
CRLF = b"\r\n"

imaplib._MAXLINE = 100_000_000  # responses with 25 MB in one literal are read line by line by imaplib
poplib._MAXLINE = 100_000_000


# ---- reporting ---------------------------------------------------------------------------------------------------

class Failed(Exception):
    """A test's expectation did not hold; the text says which."""


class Skipped(Exception):
    """A test cannot run here; the text says why, loudly."""


_tests = []
_said = threading.Lock()


def say(text):
    with _said:
        print(text, flush=True)


def ok(name):
    say(f"ok {name}")


def not_ok(name, why):
    say(f"not ok {name} {' '.join(str(why).split())[:600]}")


def skip(name, why):
    say(f"skip {name} {' '.join(str(why).split())}")


def expect(condition, why):
    if not condition:
        raise Failed(why)


def equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: got {got!r:.200}, wanted {wanted!r:.200}")


def test(function):
    _tests.append(function)
    return function


def outcome(name, function, *args):
    """Runs one test and says how it ended; True when it was good."""
    start = time.monotonic()
    try:
        function(*args)
    except Skipped as why:
        skip(name, why)
        return True
    except Failed as why:
        traceback.print_exc(file=sys.stdout)
        not_ok(name, why)
        return False
    except Exception as why:  # a client that was disappointed is a failure of the test, never of the script
        traceback.print_exc(file=sys.stdout)
        not_ok(name, f"{type(why).__name__}: {why}")
        return False
    ok(name)
    say(f"     {time.monotonic() - start:.1f} s")
    return True


def run_tests(setup=None):
    """Runs what @test collected; names given as arguments choose among them. Exits."""
    chosen = set(sys.argv[1:])
    good = True
    if setup:
        try:
            setup()
        except Skipped as why:
            skip("setup", why)
            sys.exit(0)
        except Exception as why:
            traceback.print_exc(file=sys.stdout)
            not_ok("setup", f"{type(why).__name__}: {why}")
            sys.exit(1)
    for function in _tests:
        name = function.__name__.replace("_", "-")
        if not chosen or name in chosen:
            good &= outcome(name, function)
    sys.exit(0 if good else 1)


# ---- processes and places ----------------------------------------------------------------------------------------

_work = None


def work():
    """A folder for this run; removed at the end, after the instances in it, unless SEKISHO_KEEP is set."""
    global _work
    if _work is None:
        _work = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-e2e-"))
        _work.chmod(0o755)
    return _work


def need(*programs):
    """Skips the test where a program is missing."""
    missing = [p for p in programs if not shutil.which(p)]
    if missing:
        raise Skipped(f"not installed: {' '.join(missing)}")


def command(argv, limit=60, input=None, env=None, good=(0,), cwd=None):
    """Runs a client; its output goes to the log. Returns what it wrote to stdout; a bad code is a failure."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit,
                              env={**os.environ, **(env or {})}, cwd=cwd)
    except subprocess.TimeoutExpired as late:
        say(f"     {' '.join(argv)[:200]}: {(late.stdout or b'')[-1000:]!r} {(late.stderr or b'')[-1000:]!r}")
        raise Failed(f"{argv[0]} did not end within {limit} s")
    if done.returncode not in good:
        say(f"     {' '.join(argv)[:300]}\n     stdout {done.stdout[-1500:]!r}\n     stderr {done.stderr[-1500:]!r}")
        raise Failed(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return done.stdout


def wait_for(check, seconds, what, pause=0.05):
    """Calls check() until it returns something true, which is returned; a failure after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)


def listens(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def free_ports(count):
    """The first of `count` ports in a row that nobody uses, below the range from which clients get theirs."""
    for _ in range(200):
        base = random.SystemRandom().randrange(15000, 32000 - count)
        held = []
        try:
            for port in range(base, base + count):
                s = socket.socket()
                held.append(s)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise Failed("no free ports")


def open_files(wanted):
    """Raises the limit of descriptors as far as may be; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for top in (max(wanted, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, top) if wanted > soft else soft, top))
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def children(root):
    """The process `root` and everything below it: {pid: command line}."""
    parent, line = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            parent[int(entry)] = int(stat.rpartition(")")[2].split()[1])
            line[int(entry)] = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().decode(
                errors="replace").replace("\0", " ").strip()
        except (OSError, ValueError):
            continue
    below, grown = {root}, True
    while grown:
        more = {pid for pid, up in parent.items() if up in below} - below
        grown = bool(more)
        below |= more
    return {pid: line.get(pid, "") for pid in below if pid in parent}


def pss_kib(pids):
    total = 0
    for pid in pids:
        try:
            for row in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if row.startswith("Pss:"):
                    total += int(row.split()[1])
        except OSError:
            continue
    return total


# ---- instances of the product --------------------------------------------------------------------------------------

ROLES = ("mx", "user", "web", "store", "keys", "scan", "relay", "resolver")
_running = []


class Account:
    """An address with its password."""

    def __init__(self, address, password):
        self.address = address
        self.password = password
        self.local, _, self.domain = address.rpartition("@")

    def __repr__(self):
        return self.address


class Instance:
    """One demo of the product, driven through the contract only: the demo's JSON and the `sekisho` command."""

    def __init__(self, name, routes=(), dns=(), clock_offset=0, data=None, through_dev=False, domain=None, options=()):
        self.name = name
        self.options = dict(options)  # lines of the configuration
        self.routes = dict(routes)
        self.dns_lines = list(dns)
        self.clock_offset = clock_offset
        self.data = pathlib.Path(data or work() / name)
        self.base = free_ports(20)
        self.through_dev = through_dev
        self.wanted_domain = domain
        self.database_name = None
        self.database_server = None  # how this instance reaches the server; None: as we do
        self.pid = None
        self.users = []

    def argv(self):
        start = [TOP / "dev", "demo"] if self.through_dev else [BINARY, "demo", "--background"]
        argv = [*start, "--json", "--data", self.data, "--port-base", self.base]
        for domain, to in self.routes.items():
            argv += ["--route", f"{domain}={to}"]
        fixture = work() / f"{self.name}.dns"
        fixture.write_text("".join(line + "\n" for line in self.dns_lines))
        argv += ["--dns", fixture]
        if self.wanted_domain:
            argv += ["--domain", self.wanted_domain]
        if self.clock_offset:
            argv += ["--clock-offset", self.clock_offset]
        for option, value in self.options.items():
            argv += ["--option", f"{option}={value}"]
        return argv + self.database()

    def database(self):
        """Options for a database of this instance's own on the server of SEKISHO_TEST_DATABASE, if there is one."""
        server = os.environ.get("SEKISHO_TEST_DATABASE")
        if not server:
            return []
        password = os.environ["SEKISHO_TEST_DATABASE_PASSWORD_FILE"]
        database = self.database_name or f"{work().name}-{self.name}"
        made = self.data / "database-made"
        if not made.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            env = {**os.environ, "PGPASSWORD": pathlib.Path(password).read_text().strip()}
            found = command(["psql", "-XAt", server, "-c",
                             f"SELECT 1 FROM pg_database WHERE datname = '{database}'"], env=env).strip()
            if not found:
                command(["psql", "-X", "-q", server, "-c", f'CREATE DATABASE "{database}"'], env=env)
            made.touch()
        return ["--database", f"{self.database_server or server} dbname={database}", "--database-password-file", password]

    def start(self, limit=120):
        out = command(self.argv(), limit)
        try:
            self.json = json.loads(out)
        except ValueError:
            raise Failed(f"demo --json did not print one JSON object: {out[:300]!r}")
        self.pid = self.json["pid"]
        self.domain = self.json["domain"]
        self.ca = self.json["ca"]
        self.ports = self.json["ports"]
        known = {u.address for u in self.users}
        self.users += [Account(u["address"], u["password"]) for u in self.json["users"] if u["address"] not in known]
        if self not in _running:
            _running.append(self)
        wait_for(lambda: listens(self.ports["smtp"]), 20, f"{self.name}: the SMTP port answers")
        return self

    def stop(self):
        if self.pid is None:
            return
        command([TOP / "dev", "stop", "--data", self.data], 60)
        self.pid = None
        _running.remove(self)

    def restart(self, **changes):
        self.stop()
        for key, value in changes.items():
            setattr(self, key, value)
        return self.start()

    def kill_all(self):
        """kill -9 of everything, master first so that nothing is started again; returns when all are gone."""
        pids = list(children(self.pid))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids), 20, "killed processes are gone", 0.01)

    def roles(self):
        """{role: pid} of the running processes, told from their command lines ("sekisho role NAME")."""
        words = {pid: line.split() for pid, line in children(self.pid).items()}
        return {w[2]: pid for pid, w in words.items() if len(w) == 3 and w[1] == "role" and w[2] in ROLES}

    def cli(self, *args, good=(0,), input=None, limit=60):
        """`sekisho ARGS --data DIR --json`; what it printed, decoded."""
        out = command([BINARY, *args, "--data", self.data, "--json"], limit, input=input, good=good)
        return json.loads(out) if out.strip() else None

    def add_users(self, count, pattern="user{}", password="kujira-no-uta-{}-asagao"):
        """Accounts made through the command line; returned, and known to user()."""
        made = []
        for i in range(1, count + 1):
            account = Account(f"{pattern.format(i)}@{self.domain}", password.format(i))
            self.cli("account", "add", account.address, "--password-stdin", input=account.password.encode() + b"\n")
            made.append(account)
        self.users += made
        return made

    def logs(self):
        """Everything the instance wrote outside its mail store: text of *.log files and the demo's output."""
        return b"".join(p.read_bytes() for p in sorted(self.data.rglob("*.log")))


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@atexit.register
def _stop_all():
    for instance in list(_running):
        try:
            instance.stop()
        except Exception:  # the last resort: nothing of ours may stay behind
            with contextlib.suppress(Exception):
                instance.kill_all()
    if _work and not os.environ.get("SEKISHO_KEEP"):
        shutil.rmtree(_work, ignore_errors=True)


def _on_term(_number, _frame):
    sys.exit(143)


signal.signal(signal.SIGTERM, _on_term)


def instance(name, **options):
    """A server for the domain NAME.test, not yet started: ours, or the reference's."""
    kind = Instance
    if REFERENCE:
        import peers
        kind = peers.Reference
    return kind(name, domain=f"{name}.test", **options)


def pair(**options):
    """Instances a (a.test) and b (b.test) that send each other's mail to one another."""
    a, b = instance("a", **options), instance("b", **options)
    a.routes["b.test"] = f"127.0.0.1:{b.base}"
    b.routes["a.test"] = f"127.0.0.1:{a.base}"
    a.start()
    b.start()
    for one in (a, b):
        equal(one.ports["smtp"], one.base, "the first port is SMTP's")
    return a, b


def tls_context(instance):
    """Verifies the instance's certificate against its own authority; the name is not the tests' subject."""
    context = ssl.create_default_context(cafile=str(instance.ca))
    context.check_hostname = False
    return context


# ---- messages ------------------------------------------------------------------------------------------------------

_counter = 0
_unique = f"{os.getpid()}.{int(time.time())}"


def new_id():
    global _counter
    with _said:
        _counter += 1
        return f"<t{_counter}.{_unique}@e2e.test>"


def build(sender, to, subject="a test", body=b"Hello.\r\n", headers=(), message_id=None):
    """An RFC 5322 message as octets; subject and body as they are to appear on the wire."""
    message_id = message_id or new_id()
    lines = [f"From: {sender}", f"To: {to}", f"Date: {email.utils.formatdate()}", f"Message-ID: {message_id}"]
    head = CRLF.join(line.encode() for line in lines) + b"\r\nSubject: "
    head += subject.encode() if isinstance(subject, str) else subject
    for line in headers:
        head += CRLF + (line.encode() if isinstance(line, str) else line)
    return head + CRLF + CRLF + body


def split(message):
    """(header, body) with LF line ends, whatever the client stored."""
    text = message.replace(CRLF, b"\n")
    head, _, body = text.partition(b"\n\n")
    return head, body


def fields(message, name):
    """The unfolded values of a header field, as octets."""
    head, _ = split(message)
    head = head.replace(b"\n ", b" ").replace(b"\n\t", b" ")
    wanted = name.lower().encode() + b":"
    return [line[len(wanted):].strip() for line in head.split(b"\n") if line.lower().startswith(wanted)]


def message_id(message):
    found = fields(message, "Message-ID")
    return found[0].decode(errors="replace") if found else ""


def digest(data):
    return hashlib.sha256(data).hexdigest()


# ---- SMTP ------------------------------------------------------------------------------------------------------------

class Wire:
    """A raw SMTP client: what goes over the wire is exactly what the test says."""

    def __init__(self, port, host="127.0.0.1", timeout=20, source=None, tls=None):
        self.sock = socket.create_connection((host, port), timeout, source_address=(source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")

    def reply(self):
        """(code, text) of one reply; (0, "") when the connection ended."""
        text = []
        while True:
            line = self.file.readline()
            if not line:
                return 0, "connection closed"
            text.append(line[4:].decode(errors="replace").strip())
            if not line[:3].isdigit() or line[3:4] not in (b"-", b" "):
                raise Failed(f"not an SMTP reply: {line!r}")
            if line[3:4] == b" ":
                return int(line[:3]), "\n".join(text)

    def send(self, data):
        self.sock.sendall(data)

    def cmd(self, line):
        self.send(line.encode() + CRLF if isinstance(line, str) else line + CRLF)
        return self.reply()

    def greet(self, helo="client.test", wanted=220):
        code, text = self.reply()
        expect(code == wanted, f"greeting {code} {text}")
        return self.cmd(f"EHLO {helo}")

    def starttls(self, context, helo="client.test"):
        code, text = self.cmd("STARTTLS")
        expect(code == 220, f"STARTTLS: {code} {text}")
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")
        return self.cmd(f"EHLO {helo}")

    def auth_plain(self, account):
        token = base64.b64encode(f"\0{account.address}\0{account.password}".encode()).decode()
        return self.cmd(f"AUTH PLAIN {token}")

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def stuff(message):
    """Dot-stuffing and the end of data."""
    data = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in message.split(CRLF))
    return data + (b"" if data.endswith(CRLF) else CRLF) + b".\r\n"


def transaction(wire, sender, rcpts, message, mail_options="", rcpt_options=""):
    """One message; [(code, text)] of MAIL, each RCPT and the end of data."""
    got = [wire.cmd(f"MAIL FROM:<{sender}>{mail_options}")]
    if got[-1][0] != 250:
        return got
    for rcpt in rcpts:
        got.append(wire.cmd(f"RCPT TO:<{rcpt}>{rcpt_options}"))
    if not any(code in (250, 251) for code, _ in got[1:]):
        wire.cmd("RSET")
        return got
    got.append(wire.cmd("DATA"))
    if got[-1][0] == 354:
        wire.send(stuff(message))
        got[-1] = wire.reply()
    return got


def deliver(instance, sender, rcpts, message, mail_options="", source=None):
    """Brings one message to port 25 as another server would; the final reply must be 250."""
    with Wire(instance.ports["smtp"], source=source) as wire:
        wire.greet()
        got = transaction(wire, sender, rcpts, message, mail_options)
        expect(all(code == 250 for code, _ in got), f"delivery refused: {got}")
        wire.cmd("QUIT")


class Scram:
    """SCRAM-SHA-256 for smtplib's auth() and imaplib's authenticate() (RFC 5802, RFC 7677)."""

    def __init__(self, account):
        self.account = account
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = f"n={account.address.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"
        self.step = 0
        self.verified = False

    def __call__(self, challenge=None):
        if not challenge:
            self.step = 1
            return "n,," + self.bare
        if self.step == 1:
            self.step = 2
            return self.final(challenge.decode())
        expect(challenge.decode() == f"v={self.server}", "SCRAM: the server's proof is wrong")
        self.verified = True
        return ""

    def final(self, first):
        parts = dict(item.split("=", 1) for item in first.split(","))
        expect(parts["r"].startswith(self.nonce) and len(parts["r"]) > len(self.nonce), "SCRAM: not our nonce")
        salted = hashlib.pbkdf2_hmac("sha256", self.account.password.encode(), base64.b64decode(parts["s"]),
                                     int(parts["i"]))
        without = f"c=biws,r={parts['r']}"
        everything = f"{self.bare},{first},{without}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), everything, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        self.server = base64.b64encode(hmac.digest(server_key, everything, "sha256")).decode()
        return f"{without},p={proof}"


def submission(instance, account, implicit=True, mechanism=None, timeout=60):
    """A logged-in smtplib session at the submission port."""
    context = tls_context(instance)
    if implicit:
        client = smtplib.SMTP_SSL("127.0.0.1", instance.ports["submissions"], timeout=timeout, context=context,
                                  local_hostname="client.test")
    else:
        client = smtplib.SMTP("127.0.0.1", instance.ports["submission"], timeout=timeout, local_hostname="client.test")
        client.starttls(context=context)
    client.ehlo()
    client.user, client.password = account.address, account.password
    if mechanism == "SCRAM-SHA-256":
        scram = Scram(account)
        client.auth(mechanism, scram)
        expect(scram.verified, "SCRAM: the server did not prove itself")
    elif mechanism == "LOGIN":
        client.auth("LOGIN", client.auth_login, initial_response_ok=False)
    elif mechanism == "PLAIN":
        client.auth("PLAIN", client.auth_plain)
    else:
        client.login(account.address, account.password)
    return client


def submit(instance, account, rcpts, message, mail_options=(), rcpt_options=()):
    client = submission(instance, account)
    refused = client.sendmail(account.address, rcpts, message, mail_options, rcpt_options)
    client.quit()
    expect(not refused, f"recipients refused: {refused}")


# ---- reading mail ----------------------------------------------------------------------------------------------------

class Mailbox:
    """A mailbox watched over IMAP by one session: each message is fetched once."""

    def __init__(self, instance, account, name="INBOX"):
        self.instance, self.account, self.name = instance, account, name
        self.messages = {}
        self.client = None

    def open(self):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.instance.ports["imaps"], ssl_context=tls_context(self.instance),
                                   timeout=60)
        client.login(self.account.address, self.account.password)
        code, data = client.select(f'"{self.name}"', readonly=True)
        expect(code == "OK", f"SELECT {self.name}: {data}")
        self.client = client

    def refresh(self):
        if self.client is None:
            self.open()
        else:
            self.client.noop()
        _, data = self.client.uid("SEARCH", None, "ALL")
        uids = {int(u) for u in data[0].split()}
        self.messages = {u: m for u, m in self.messages.items() if u in uids}
        for uid in sorted(uids - set(self.messages)):
            self.messages[uid] = self.fetch(uid)
        return list(self.messages.values())

    def fetch(self, uid):
        _, data = self.client.uid("FETCH", str(uid), "(BODY.PEEK[])")
        for item in data:
            if isinstance(item, tuple):
                return item[1]
        raise Failed(f"no body for UID {uid} of {self.account}: {data!r:.200}")

    def with_id(self, wanted):
        return [m for m in self.refresh() if message_id(m) == wanted]

    def wait(self, wanted, seconds=20):
        """The one message with this Message-ID; a second copy is a failure."""
        found = wait_for(lambda: self.with_id(wanted), seconds, f"{wanted} arrives at {self.account}", 0.1)
        equal(len(found), 1, f"copies of {wanted} at {self.account}")
        return found[0]

    def find(self, matches, seconds, what):
        return wait_for(lambda: [m for m in self.refresh() if matches(m)], seconds, what, 0.2)

    def close(self):
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.logout()
            self.client = None


_mailboxes = {}


def mailbox(instance, account, name="INBOX"):
    """The watched mailbox of an account; one session for each, kept for the whole script."""
    key = (instance.name, account.address, name)
    if key not in _mailboxes:
        _mailboxes[key] = Mailbox(instance, account, name)
    return _mailboxes[key]


def forget_mailboxes():
    """After a restart: the sessions are gone."""
    for box in _mailboxes.values():
        box.close()
    _mailboxes.clear()


class WebSession:
    """A person signed in on the web, by cookie."""

    def __init__(self, instance, account):
        self.instance, self.headers = instance, {"Sec-Fetch-Site": "same-origin"}
        code, answer, headers = self.request("POST", "/session", {"address": account.address, "password": account.password})
        equal((code, answer.get("state")), (200, "in"), f"{account.address} signs in: {answer}")
        self.headers["Cookie"] = headers["Set-Cookie"].split(";")[0]
        self.headers["X-Sekisho-CSRF"] = self.call("GET", "/session")[1]["csrf"]

    def request(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.instance.json["api"]["url"] + "/api/v1" + path, data=data, method=method,
                                         headers={**self.headers, **({"Content-Type": "application/json"} if data is not None else {})})
        try:
            with urllib.request.urlopen(request, timeout=60, context=tls_context(self.instance)) as answer:
                return answer.status, json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, json.loads(answer.read() or b"null"), answer.headers

    def call(self, method, path, body=None):
        return self.request(method, path, body)[:2]
