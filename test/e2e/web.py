"""A browser as the API sees one: its cookies, and the CSRF value that goes with a session."""
import re
import urllib.request
from lib import *  # noqa: E402


class Browser:
    """One session, and (keep_device) the cookie by which it is known again."""

    def __init__(self, server, keep_device=False):
        self.server, self.keep_device = server, keep_device
        self.cookie = self.csrf = self.device = None
        self.set = ""

    def call(self, method, path, body=None, **headers):
        data = None if body is None and method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.server.json["api"]["url"] + "/api/v1" + path, data=data, method=method)
        cookies = ["theme=dark"] + [f"__Host-sekisho={self.cookie}"] * bool(self.cookie)
        cookies += [f"__Host-sekisho-device={self.device}"] * bool(self.device)
        if len(cookies) > 1:
            request.add_header("Cookie", "; ".join(cookies))
        request.add_header("Sec-Fetch-Site", "same-origin")
        if self.csrf:
            request.add_header("X-Sekisho-CSRF", self.csrf)
        for name, value in headers.items():
            name = name.replace("_", "-")
            request.remove_header(name.capitalize())
            if value is not None:
                request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60, context=tls_context(self.server)) as answer:
                return self.take(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return self.take(answer)

    def take(self, answer):
        self.set = answer.headers.get("Set-Cookie", "")
        found = re.match(r"__Host-sekisho=([0-9a-f]{64});", self.set)
        if found:
            self.cookie = found.group(1)
        for header in answer.headers.get_all("Set-Cookie", []):
            known = re.match(r"__Host-sekisho-device=([0-9a-f]{64});", header)
            if known and self.keep_device:
                self.device = known.group(1)
        text = answer.read()
        return answer.status, json.loads(text) if text.strip() else None

    def sign_in(self, user, password=None):
        self.cookie = self.csrf = None
        code, said = self.call("POST", "/session", {"address": user.address, "password": password or user.password})
        if code == 200:
            self.look()
        return code, said

    def look(self):
        code, said = self.call("GET", "/session")
        if code == 200:
            self.csrf = said["csrf"]
        return code, said
