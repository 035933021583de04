#!/usr/bin/env python3
"""A PostgreSQL server of our own for tests: a new cluster in a temporary directory, reached by a Unix socket there only.

As a program it runs another one beside such a server and ends both:

    test/kit/postgresql.py PROGRAM [ARGUMENTS...]

The program finds the server in SEKISHO_TEST_DATABASE (a connection string) and SEKISHO_TEST_DATABASE_PASSWORD_FILE; where
these are set already, the server they name is used. Without the Debian package the answer is "skip" (77).
"""
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIP = 77


def programs():
    """The directory with initdb and postgres, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    return os.path.dirname(found[-1]) if found else None


def _user():
    """PostgreSQL refuses to be root: then it runs as somebody who owns nothing of ours."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise RuntimeError("no user to run PostgreSQL as")


class Server:
    """Started by making it; ended by stop(), or with whoever made it."""

    port = 5432

    def __init__(self, *settings, tls=False):
        """With tls it also listens on TCP, and proves to be "localhost" by the authority in ca_file."""
        self.bin = programs()
        self.user = _user()
        self.dir = tempfile.mkdtemp(prefix="sekisho-postgresql-")
        os.chmod(self.dir, 0o755)
        self.password_file = os.path.join(self.dir, "password")
        with open(self.password_file, "w") as f:
            f.write(secrets.token_urlsafe(18) + "\n")
        os.chmod(self.password_file, 0o600)
        self.data = os.path.join(self.dir, "data")
        os.mkdir(self.data, 0o700)
        if self.user:
            for path in (self.dir, self.data, self.password_file):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        tcp = self._tls() if tls else ["listen_addresses="]
        self.settings = [*tcp, f"unix_socket_directories={self.dir}", "unix_socket_permissions=0777",
                         "log_min_messages=fatal", *settings]
        self.process = None
        self._run("initdb", "-N", "-D", self.data, "-U", "sekisho", "-A", "scram-sha-256", f"--pwfile={self.password_file}",
                  "-E", "UTF8", "--locale=C.UTF-8")
        self.start()

    def _tls(self):
        """A certificate of its own authority's; the settings that use it."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.ca_file = os.path.join(self.dir, "ca.pem")
        key, cert, ca_key = (os.path.join(self.dir, name) for name in ("server.key", "server.pem", "ca.key"))
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        for argv in ([*new, "-keyout", ca_key, "-out", self.ca_file, "-subj", "/CN=test authority"],
                     [*new, "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                      "-addext", "basicConstraints=critical,CA:false", "-CA", self.ca_file, "-CAkey", ca_key]):
            subprocess.run(argv, check=True, capture_output=True)
        os.chmod(key, 0o600)
        if self.user:
            os.chown(key, self.user.pw_uid, self.user.pw_gid)
        return ["listen_addresses=127.0.0.1", f"port={self.port}", "ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}"]

    def _as_user(self, *argv, deathsig=False):
        who = ["--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid), "--clear-groups"] if self.user else []
        end = ["--pdeathsig", "INT"] if deathsig else []
        return ["setpriv", *who, *end, os.path.join(self.bin, argv[0]), *argv[1:]]

    def _run(self, *argv):
        done = subprocess.run(self._as_user(*argv), cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{argv[0]}: {done.stdout}{done.stderr}")

    def start(self):
        options = [word for s in self.settings for word in ("-c", s)]
        with open(os.path.join(self.dir, "log"), "ab") as log:
            self.process = subprocess.Popen(self._as_user("postgres", "-D", self.data, *options, deathsig=True), cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            if subprocess.run(self._as_user("pg_isready", "-q", "-h", self.dir, "-p", str(self.port)), cwd="/").returncode == 0:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL does not start: " + open(os.path.join(self.dir, "log")).read())

    def end(self, how=signal.SIGINT):
        """SIGINT: clients are sent away; SIGQUIT: at once, as in a crash."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
        self.process = None

    def stop(self):
        self.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def url(self):
        return f"host={self.dir} port={self.port} user=sekisho dbname=postgres"

    def sql(self, text, database="postgres"):
        env = {"PATH": os.environ["PATH"], "PGPASSWORD": open(self.password_file).read().strip()}
        done = subprocess.run([os.path.join(self.bin, "psql"), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.dir,
                               "-p", str(self.port), "-U", "sekisho", "-d", database, "-c", text], env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @property
    def tcp_url(self):
        """Over TCP, with a certificate that must be ca_file's."""
        return f"host=localhost port={self.port} user=sekisho dbname=postgres"

    @property
    def environment(self):
        return {"SEKISHO_TEST_DATABASE": self.url, "SEKISHO_TEST_DATABASE_PASSWORD_FILE": self.password_file}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if os.environ.get("SEKISHO_TEST_DATABASE"):
        os.execvp(sys.argv[1], sys.argv[1:])
    if not programs():
        print("skip: the Debian package postgresql is not installed")
        sys.exit(SKIP)
    server = Server()
    try:
        code = subprocess.run(sys.argv[1:], env={**os.environ, **server.environment,
                                                 "SEKISHO_TEST_POSTMASTER": str(server.process.pid)}).returncode
    finally:
        server.stop()
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
