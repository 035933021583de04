"""Another project's client of OpenID Connect (Debian's python3-authlib), run by 59-oauth with the system's Python: the first line of
the standard input has the settings; the address to consent at is printed, the one that answers it is read, and the findings are printed."""
import base64
import json
import os
import socket
import sys

from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import jwt

resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)


def say(value):
    print(json.dumps(value), flush=True)


s = json.loads(sys.stdin.readline())
session = OAuth2Session(s["client"], s["secret"], scope="openid email profile offline_access", redirect_uri=s["redirect"],
                        code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic")
session.trust_env = False
session.verify = s["ca"]
known = session.get(s["issuer"] + "/.well-known/openid-configuration", withhold_token=True).json()
verifier, nonce = (base64.urlsafe_b64encode(os.urandom(36)).decode() for _ in range(2))
url, state = session.create_authorization_url(known["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
say(url)
answer = json.loads(sys.stdin.readline())
token = session.fetch_token(known["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier)
keys = session.get(known["jwks_uri"], withhold_token=True).json()
claims = jwt.decode(token["id_token"], keys, claims_options={
    "iss": {"essential": True, "value": s["issuer"]}, "aud": {"essential": True, "value": s["client"]},
    "nonce": {"essential": True, "value": nonce}})
claims.validate(leeway=30)
info = session.get(known["userinfo_endpoint"]).json()
fresh = session.refresh_token(known["token_endpoint"])
again = session.get(known["userinfo_endpoint"]).status_code
say({"claims": dict(claims), "info": info, "first": token["access_token"], "fresh": fresh["access_token"], "again": again})
