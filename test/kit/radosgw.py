#!/usr/bin/env python3
"""A real S3 server for tests: Ceph's radosgw over one mon and one osd in memory, all on loopback, from Debian's packages.

As a program it runs others beside such a server, one after another, and ends all:

    test/kit/radosgw.py PROGRAM [ARGUMENTS...] [-- PROGRAM [ARGUMENTS...]]...

The programs find the server in SEKISHO_TEST_S3 ("ENDPOINT BUCKET KEY SECRET"); where that is set already, the server it names
is used. Without the Debian packages the answer is "skip" (77).
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid

KEY, SECRET, BUCKET = "SEKISHOTESTKEY000001", "sekisho-test-secret-0123456789abcdefghij", "bodies"
PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool", "ceph-authtool")

CONF = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon}]
mon initial members = a
ms bind msgr2 = false
ms bind ipv4 = true
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
keyring = {dir}/keyring
run dir = {dir}
log file = {dir}/$name.log
pid file =
admin socket = {dir}/$name.sock
mon cluster log file = {dir}/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon data avail crit = 1
mon data avail warn = 1
mon max pg per osd = 1000
mon data = {dir}/mon
osd data = {dir}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd memory target = 939524096
osd class load list = *
osd class default list = *
rgw thread pool size = 64
rgw gc obj min wait = 10
rgw enable usage log = false
rgw enable ops log = false
rgw frontends = beast endpoint=127.0.0.1:{port}
"""


def run(conf, *argv, **more):
    return subprocess.run([argv[0], "-c", str(conf), *map(str, argv[1:])], check=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **more).stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Missing(Exception):
    """It cannot be had here; the text says why."""


class Cluster:
    """Started by start(); ended by stop(), or with whoever made it."""

    def __init__(self):
        missing = [p for p in PROGRAMS if not shutil.which(p)]
        if missing:
            raise Missing(f"not installed: {' '.join(missing)} (Debian: ceph-mon ceph-osd radosgw)")
        self.dir, self.port, self.started = pathlib.Path(tempfile.mkdtemp(prefix="sekisho-rgw-")), free_port(), []
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.settings = f"{self.endpoint} {BUCKET} {KEY} {SECRET}"
        self.conf = self.dir / "ceph.conf"

    def daemon(self, *argv):
        def end_with_parent():
            import ctypes
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        out = open(self.dir / f"{argv[0]}.out", "ab")
        p = subprocess.Popen([argv[0], "-c", str(self.conf), *argv[1:]], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                             preexec_fn=end_with_parent)
        self.started.append(p)
        return p

    def answers(self):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
            return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def start_gateway(self):
        self.gateway = self.daemon("radosgw", "-n", "client.rgw", "-f", "--no-mon-config")
        end = time.monotonic() + 90
        while not self.answers():
            if self.gateway.poll() is not None or time.monotonic() > end:
                raise RuntimeError("radosgw does not answer")
            time.sleep(0.1)

    def kill_gateway(self):
        """The server is away; what was stored stays."""
        self.gateway.kill()
        self.gateway.wait()
        self.started.remove(self.gateway)

    def start(self):
        try:
            self._start()
            make_bucket(self.port)
        except (subprocess.SubprocessError, RuntimeError, OSError) as failed:
            why = (getattr(failed, "stderr", b"") or b"").decode(errors="replace").strip()[-300:] or str(failed)
            self.stop()
            raise Missing(f"Ceph does not run here: {why}")
        return self

    def _start(self):
        fsid = str(uuid.uuid4())
        mon = free_port()
        self.conf.write_text(CONF.format(fsid=fsid, mon=mon, dir=self.dir, port=self.port))
        (self.dir / "mon").mkdir()
        (self.dir / "osd").mkdir()
        run(self.conf, "ceph-authtool", "--create-keyring", self.dir / "keyring", "--gen-key", "-n", "client.admin",
            "--cap", "mon", "allow *", "--cap", "osd", "allow *")
        run(self.conf, "monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{mon}]",
            self.dir / "monmap")
        run(self.conf, "ceph-mon", "--mkfs", "-i", "a", "--monmap", self.dir / "monmap", "--keyring", self.dir / "keyring")
        self.daemon("ceph-mon", "-i", "a", "-f")
        osd = str(uuid.uuid4())
        run(self.conf, "ceph", "--connect-timeout", "30", "osd", "new", osd)
        run(self.conf, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "--no-mon-config")
        self.daemon("ceph-osd", "-i", "0", "-f", "--no-mon-config")
        run(self.conf, "radosgw-admin", "-n", "client.admin", "user", "create", "--uid", "test", "--display-name", "test",
            "--access-key", KEY, "--secret-key", SECRET)
        self.start_gateway()

    def stop(self):
        for p in self.started:
            p.kill()
        for p in self.started:
            p.wait()
        self.started = []
        shutil.rmtree(self.dir, ignore_errors=True)


def make_bucket(port):
    """One PUT, signed as AWS Signature Version 4 wants it."""
    import datetime
    import hashlib
    import hmac
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp, day, host = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d"), f"127.0.0.1:{port}"
    empty = hashlib.sha256(b"").hexdigest()
    request = f"PUT\n/{BUCKET}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\n" \
              f"host;x-amz-content-sha256;x-amz-date\n{empty}"
    scope = f"{day}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = b"AWS4" + SECRET.encode()
    for part in (day, "us-east-1", "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    put = urllib.request.Request(f"http://{host}/{BUCKET}", method="PUT", headers={
        "x-amz-content-sha256": empty, "x-amz-date": stamp,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
                         f"Signature={signature}"})
    urllib.request.urlopen(put, timeout=60).close()


def main():
    commands, env = [[]], dict(os.environ)
    for word in sys.argv[1:]:
        if word == "--":
            commands.append([])
        else:
            commands[-1].append(word)
    cluster = None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        if "SEKISHO_TEST_S3" not in env:
            cluster = Cluster().start()
            env["SEKISHO_TEST_S3"] = cluster.settings
        return max(subprocess.run(argv, env=env).returncode != 0 for argv in commands)
    except Missing as why:
        print(f"skip: no S3 server: {why}", file=sys.stderr)
        return 77
    finally:
        if cluster:
            cluster.stop()


if __name__ == "__main__":
    sys.exit(main())
