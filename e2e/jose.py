# SPDX-License-Identifier: MPL-2.0
"""Tokens and key sets for tests, made with the standard library and the openssl program: no code of what is tested.

    key = jose.Secret("kid-1")                 # HS256
    key = jose.Private(folder, "RS256", "r1")  # a private key file that openssl signs with; also ES256 and EdDSA
    jose.key_set(key, ...)                     # the text of a JWKS with what verifies
    key.token({"sub": "x", "exp": ...})
"""

import base64
import hashlib
import hmac
import json
import os
import re
import subprocess


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unsigned(header, claims):
    """The two parts of a token that are signed."""
    return ".".join(encode(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims))


def key_set(*keys):
    return json.dumps({"keys": [key.public() for key in keys]}, indent=2)


class Secret:
    def __init__(self, kid, secret=None):
        self.alg, self.kid = "HS256", kid
        self.secret = secret or hashlib.sha256(kid.encode()).digest()

    def public(self):
        return {"kty": "oct", "alg": self.alg, "kid": self.kid, "k": encode(self.secret)}

    def sign(self, data):
        return hmac.new(self.secret, data, hashlib.sha256).digest()

    def token(self, claims, **header):
        text = unsigned({"alg": self.alg, "kid": self.kid, **header}, claims)
        return f"{text}.{encode(self.sign(text.encode()))}"


class Private(Secret):
    MADE_BY = {"RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
               "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
               "EdDSA": ["ED25519"]}

    def __init__(self, folder, alg, kid):  # pylint: disable=super-init-not-called
        self.alg, self.kid, self.file = alg, kid, os.path.join(folder, f"{kid}.pem")
        self.openssl("genpkey", "-out", self.file, "-algorithm", *self.MADE_BY[alg])

    @staticmethod
    def openssl(*words, data=None):
        done = subprocess.run(["openssl", *words], input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {words}: {done.stderr}")
        return done.stdout

    def public_bytes(self):
        """The bytes that openssl shows of the public key, as it calls them: modulus or pub."""
        text = self.openssl("pkey", "-in", self.file, "-noout", "-text_pub").decode()
        digits = re.search(r"(?:Modulus|pub):\n((?:\s+[0-9a-f:]+\n)+)", text).group(1)
        return bytes.fromhex(re.sub(r"[\s:]", "", digits))

    def pem(self):
        return self.openssl("pkey", "-in", self.file, "-pubout")

    def public(self):
        names, data = {"alg": self.alg, "kid": self.kid, "use": "sig"}, self.public_bytes()
        if self.alg == "RS256":
            return {"kty": "RSA", **names, "n": encode(data.lstrip(b"\0")), "e": "AQAB"}
        if self.alg == "ES256":
            return {"kty": "EC", **names, "crv": "P-256", "x": encode(data[1:33]), "y": encode(data[33:])}
        return {"kty": "OKP", **names, "crv": "Ed25519", "x": encode(data)}

    def sign(self, data):
        if self.alg == "EdDSA":
            path = self.file + ".input"
            with open(path, "wb") as file:
                file.write(data)
            return self.openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", path)
        signature = self.openssl("dgst", "-sha256", "-sign", self.file, data=data)
        return self.halves(signature) if self.alg == "ES256" else signature

    @staticmethod
    def halves(der):
        """R and S of an ECDSA signature in DER, 32 bytes each."""
        size = der[3]
        first, second = der[4:4 + size], der[4 + size + 2:]
        return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (first, second))
