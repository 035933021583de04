"""An SMTP server that does what a test tells it: it takes mail, defers, refuses, or does not speak at all."""
import contextlib
import re
import socket
import ssl
import threading
import time


class Taken:
    """One message the sink answered 250 for."""

    def __init__(self, sender, rcpts, mail_options, rcpt_options, data, tls, session):
        self.sender, self.rcpts, self.mail_options, self.rcpt_options = sender, rcpts, mail_options, rcpt_options
        self.data, self.tls, self.session = data, tls, session
        self.at = time.time()


class Sink:
    """Listens on loopback; `taken` grows as messages come in.

    `rule(stage, argument)` may answer for any stage ("connect", "EHLO", "MAIL", "RCPT", "DATA", "END"): a reply line,
    None for the usual one, or "drop" to close the connection without an answer.
    """

    EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 104857600", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")

    def __init__(self, port=0, rule=None, extensions=EXTENSIONS, certificate=None, keep_data=True, on_message=None,
                 host="127.0.0.1"):
        self.rule = rule or (lambda stage, argument: None)
        self.extensions = list(extensions)
        self.keep_data, self.on_message = keep_data, on_message
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.extensions.append("STARTTLS")
        self.taken, self.connections, self.lock = [], 0, threading.Lock()
        self.listener = socket.create_server((host, port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.open = set()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                session = self.connections
                self.open.add(sock)
            threading.Thread(target=self.serve, args=(sock, session), daemon=True).start()

    def close(self):
        """No longer listens, and ends what is open."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which else keeps the port
        self.listener.close()
        with self.lock:
            for sock in list(self.open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def serve(self, sock, session):
        try:
            sock.settimeout(120)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Session(self, sock, session).run()
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def take(self, message):
        with self.lock:
            if self.on_message:
                self.on_message(message)
            if not self.keep_data:
                message.data = message.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"  # a header may be long: seals
            self.taken.append(message)

    def messages(self):
        with self.lock:
            return list(self.taken)


class Session:
    """One connection to a sink."""

    def __init__(self, sink, sock, number):
        self.sink, self.sock, self.number = sink, sock, number
        self.file = sock.makefile("rb")
        self.tls = False
        self.reset()

    def reset(self):
        self.sender, self.mail_options, self.rcpts, self.rcpt_options = None, "", [], []

    def answer(self, stage, argument, usual):
        """Says the reply; True when it was the usual kind (2xx or 3xx)."""
        line = self.sink.rule(stage, argument) or usual
        if line == "drop":
            raise OSError("dropped by the rule")
        self.sock.sendall(line.encode() + b"\r\n")
        return line[0] in "23"

    def run(self):
        if not self.answer("connect", "", "220 sink.test ESMTP"):
            return
        while True:
            line = self.file.readline()
            if not line:
                return
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text.split(" ")[0].upper()
            if verb == "QUIT":
                self.sock.sendall(b"221 bye\r\n")
                return
            getattr(self, "do_" + verb.lower(), self.do_other)(text)

    def do_other(self, _text):
        self.sock.sendall(b"502 5.5.2 not here\r\n")

    def do_ehlo(self, text):
        self.reset()
        lines = ["sink.test", *(e for e in self.sink.extensions if not (self.tls and e == "STARTTLS"))]
        usual = "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{line}" for i, line in enumerate(lines))
        self.answer("EHLO", text, usual)

    def do_helo(self, text):
        self.reset()
        self.answer("HELO", text, "250 sink.test")

    def do_rset(self, _text):
        self.reset()
        self.sock.sendall(b"250 2.0.0 ok\r\n")

    def do_noop(self, _text):
        self.sock.sendall(b"250 2.0.0 ok\r\n")

    def do_starttls(self, _text):
        self.sock.sendall(b"220 2.0.0 go ahead\r\n")
        self.sock = self.sink.context.wrap_socket(self.sock, server_side=True)
        self.file = self.sock.makefile("rb")
        self.tls = True
        self.reset()

    def do_mail(self, text):
        found = re.match(r"MAIL FROM:<(.*?)>\s?(.*)$", text, re.I)
        if not found:
            self.sock.sendall(b"501 5.5.4 bad MAIL\r\n")
        elif self.answer("MAIL", text, "250 2.1.0 ok"):
            self.sender, self.mail_options = found[1], found[2]

    def do_rcpt(self, text):
        found = re.match(r"RCPT TO:<(.*?)>\s?(.*)$", text, re.I)
        if not found or self.sender is None:
            self.sock.sendall(b"503 5.5.1 bad RCPT\r\n")
        elif self.answer("RCPT", text, "250 2.1.5 ok"):
            self.rcpts.append(found[1])
            self.rcpt_options.append(found[2])

    def do_data(self, text):
        if not self.rcpts:
            self.sock.sendall(b"554 5.5.1 no valid recipients\r\n")
            return
        if not self.answer("DATA", text, "354 go ahead"):
            return
        data = []
        while True:
            line = self.file.readline()
            if not line:
                return
            if line == b".\r\n":
                break
            data.append(line[1:] if line.startswith(b".") else line)
        message = Taken(self.sender, self.rcpts, self.mail_options, self.rcpt_options, b"".join(data), self.tls,
                        self.number)
        said = self.sink.rule("END", message) or "250 2.0.0 taken"
        if said == "drop":
            raise OSError("dropped by the rule")
        if said[0] == "2":
            self.sink.take(message)  # before the reply, as a server that means its 250
        self.sock.sendall(said.encode() + b"\r\n")
        self.reset()
