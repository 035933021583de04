"""Real clients: each function reads an account's INBOX with one program and returns the messages it stored."""
import os
import pty
import select
import time

import lib


def place(program, account):
    path = lib.work() / "readers" / f"{program}-{account.local}-{time.monotonic_ns()}"
    path.mkdir(parents=True)
    return path


def maildir(path):
    return [p.read_bytes() for sub in ("new", "cur") for p in sorted((path / sub).glob("*"))]


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def mbsync_config(instance, account, home, sync="Pull", patterns='INBOX'):
    return secret_file(home / "mbsyncrc", f"""\
IMAPStore far
Host localhost
Port {instance.ports['imaps']}
User {account.address}
Pass {account.password}
SSLType IMAPS
CertificateFile {instance.ca}

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns {patterns}
Create Both
Expunge Both
Sync {sync}
SyncState *
""")


def mbsync(instance, account):
    lib.need("mbsync")
    home = place("mbsync", account)
    (home / "mail").mkdir()
    config = mbsync_config(instance, account, home)
    lib.command(["mbsync", "-c", config, "-a"], 120)
    first = maildir(home / "mail/INBOX")
    lib.command(["mbsync", "-c", config, "-a"], 120)
    lib.equal(len(maildir(home / "mail/INBOX")), len(first), "messages after a second mbsync")
    return first


def offlineimap(instance, account):
    lib.need("offlineimap")
    home = place("offlineimap", account)
    config = secret_file(home / "rc", f"""\
[general]
accounts = t
metadata = {home}/meta
ui = basic
socktimeout = 60
[Account t]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {instance.ports['imaps']}
remoteuser = {account.address}
remotepass = {account.password}
ssl = yes
sslcacertfile = {instance.ca}
folderfilter = lambda name: name == 'INBOX'
readonly = True
""")
    lib.command(["/usr/bin/offlineimap", "-o", "-c", config], 120, env={"HOME": str(home)})
    return maildir(home / "mail/INBOX")


def save_program(home):
    """A delivery program that keeps each message in a file of its own below home/out."""
    (home / "out").mkdir()
    save = home / "save"
    save.write_text(f'#!/bin/sh\nf=$(mktemp {home}/out/XXXXXXXX) && cat >"$f"\n')
    save.chmod(0o755)
    return save


def saved(home):
    return [p.read_bytes() for p in sorted((home / "out").iterdir())]


def fetchmail(instance, account, protocol="imap"):
    lib.need("fetchmail")
    home = place("fetchmail", account)
    save = save_program(home)
    port = instance.ports["imaps" if protocol == "imap" else "pop3s"]
    config = secret_file(home / "rc", f"""\
set no syslog
poll localhost protocol {protocol} service {port} auth password username "{account.address}" password "{account.password}"
  ssl sslcertck sslcertfile {instance.ca} keep fetchall no rewrite mda "{save}"
""")
    lib.command(["fetchmail", "-f", config, "-i", home / "ids", "--pidfile", home / "pid"], 120,
                env={"HOME": str(home), "FETCHMAILHOME": str(home)}, good=(0, 1))
    return saved(home)


def fetchmail_pop3(instance, account):
    return fetchmail(instance, account, "pop3")


def getmail(instance, account, kind="SimpleIMAPSSLRetriever"):
    lib.need("getmail")
    home = place("getmail", account)
    save = save_program(home)
    port = instance.ports["imaps" if "IMAP" in kind else "pop3s"]
    boxes = 'mailboxes = ("INBOX",)\n' if "IMAP" in kind else ""
    secret_file(home / "getmailrc", f"""\
[retriever]
type = {kind}
server = localhost
port = {port}
username = {account.address}
password = {account.password}
ca_certs = {instance.ca}
{boxes}timeout = 60
[destination]
type = MDA_external
path = {save}
unixfrom = false
allow_root_commands = true
[options]
read_all = true
delete = false
delivered_to = false
received = false
verbose = 0
""")
    lib.command(["/usr/bin/getmail", f"--getmaildir={home}"], 120, env={"HOME": str(home)})
    return saved(home)


def getmail_pop3(instance, account):
    return getmail(instance, account, "SimplePOP3SSLRetriever")


def on_terminal(argv, limit, env):
    """Runs a full-screen program on a terminal of its own until it ends; its code and what it drew."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(str(argv[0]), [str(a) for a in argv], {**os.environ, **env})
    drawn, end = b"", time.monotonic() + limit
    while time.monotonic() < end:
        ready, _, _ = select.select([fd], [], [], 0.5)
        if ready:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            drawn += part
    else:
        os.kill(pid, 9)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), drawn


def mutt_config(instance, account, home):
    user = account.address.replace("@", "%40")
    return secret_file(home / "muttrc", f"""\
set from="{account.address}"
set realname="Test User"
set use_envelope_from=yes
set certificate_file="{instance.ca}"
set ssl_ca_certificates_file="{instance.ca}"
set ssl_verify_host=no
set smtp_url="smtps://{user}@localhost:{instance.ports['submissions']}/"
set smtp_pass="{account.password}"
set imap_pass="{account.password}"
set imap_user="{account.address}"
set mbox_type=Maildir
set copy=no
set send_charset="utf-8"
set charset="utf-8"
set quit=yes
set confirmappend=no
set confirmcreate=no
set delete=no
set mail_check=60
set sleep_time=0
set header_cache=""
set folder="{home}"
set sort=mailbox-order
set wait_key=no
""")


def mutt(instance, account):
    lib.need("mutt")
    home = place("mutt", account)
    config = mutt_config(instance, account, home)
    user = account.address.replace("@", "%40")
    keys = f"<tag-pattern>~A<enter><tag-prefix-cond><copy-message>{home}/out<enter><exit><exit>"
    code, drawn = on_terminal(["mutt", "-n", "-F", config, "-f",
                               f"imaps://{user}@localhost:{instance.ports['imaps']}/INBOX", "-e", f"push '{keys}'"],
                              90, {"HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"})
    lib.say(f"     mutt drew {drawn[-600:]!r}")
    lib.equal(code, 0, "mutt's code")
    return maildir(home / "out")


def curl(instance, account, scheme):
    lib.need("curl")
    box = lib.mailbox(instance, account)
    count = len(box.refresh())
    base = ["curl", "-sS", "--cacert", instance.ca, "-u", f"{account.address}:{account.password}"]
    port = instance.ports[scheme]
    urls = []
    home = place("curl", account)
    for i in range(1, count + 1):
        url = f"{scheme}://localhost:{port}/" + (f"INBOX;MAILINDEX={i}" if scheme == "imaps" else str(i))
        urls += ["-o", str(home / f"{i:04}"), url]
    lib.command([*base, *urls], 120)
    return [p.read_bytes() for p in sorted(home.iterdir())]


def curl_imaps(instance, account):
    return curl(instance, account, "imaps")


def curl_pop3s(instance, account):
    return curl(instance, account, "pop3s")


def imaplib_starttls(instance, account):
    client = lib.imaplib.IMAP4("127.0.0.1", instance.ports["imap"], timeout=60)
    client.starttls(lib.tls_context(instance))
    lib.expect("LOGINDISABLED" not in client.capabilities, "LOGINDISABLED after STARTTLS")
    client.authenticate("PLAIN", lambda _: f"\0{account.address}\0{account.password}".encode())
    client.select("INBOX", readonly=True)
    _, data = client.search(None, "ALL")
    found = []
    for number in data[0].split():
        _, parts = client.fetch(number.decode(), "(RFC822.SIZE BODY.PEEK[])")
        found.append(next(p[1] for p in parts if isinstance(p, tuple)))
    client.logout()
    return found


def poplib_stls(instance, account):
    client = lib.poplib.POP3("127.0.0.1", instance.ports["pop3"], timeout=60)
    client.stls(lib.tls_context(instance))
    client.user(account.address)
    client.pass_(account.password)
    count, octets = client.stat()
    lib.equal(len({u.split()[1] for u in client.uidl()[1]}), count, "different UIDLs")
    found = [b"\r\n".join(client.retr(i)[1]) + b"\r\n" for i in range(1, count + 1)]
    lib.equal(sum(len(m) for m in found), octets, "octets of STAT and of the messages")
    client.quit()
    return found


ALL = (mbsync, offlineimap, fetchmail, fetchmail_pop3, getmail, getmail_pop3, mutt, curl_imaps, curl_pop3s,
       imaplib_starttls, poplib_stls)
