# SPDX-License-Identifier: MPL-2.0
"""Verified tokens in live instances: tenants are told apart by claims of good tokens only, everything else is answered
401 or has no claims; keys that are replaced, damaged or weak; what fairvisor jwt and fairvisord -t say.
"""

import json
import os
import time

import harness
import jose

LATER = 4102444800
NEGLIGIBLE = 0.001
LASTING = 6  # seconds that a token lasts: long enough to be kept and found on a slow machine


def per_tenant(burst=2, **more):
    bundle = harness.one_rule(rate=NEGLIGIBLE, burst=burst, keys=["jwt:org_id"], rule="per-tenant")
    bundle["policies"][0]["spec"]["rules"][0].update(more)
    return bundle


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Case(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        os.chmod(self.folder, 0o700)  # workers get a copy of the keys, and need no right to read the file
        self.keys_file = os.path.join(self.folder, "jwks.json")
        self.secret = jose.Secret("s-1")
        self.write_keys(jose.key_set(self.secret))

    def write_keys(self, text):
        with open(self.keys_file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.keys_file + ".new", 0o600)
        os.replace(self.keys_file + ".new", self.keys_file)

    def start(self, bundle=None, workers=1, **settings):
        return self.start_edge(bundle or per_tenant(), workers=workers,
                               settings={"jwt_keys_file": self.keys_file, **settings})

    def ask(self, edge, token):
        return edge.decide("GET", "/", "10.0.0.1", bearer(token) if isinstance(token, str) else token)

    def statuses(self, edge, *tokens):
        return [self.ask(edge, token).status for token in tokens]

    def assert_invalid(self, edge, token, cause):
        answer = self.ask(edge, token)
        self.assertEqual(answer.status, 401, (token, answer))
        self.assertEqual(answer.header("X-Fairvisor-Reason"), "jwt_invalid")
        self.assertEqual(answer.header("WWW-Authenticate"),
                         f'Bearer error="invalid_token", error_description="{cause}"')
        self.assertEqual(answer.header("x-should-retry"), "false")
        document = answer.json()
        self.assertEqual((document["status"], document["title"], document["reason"]),
                         (401, "Unauthorized", "jwt_invalid"))
        return answer

    def checks(self, edge, result):
        return edge.metrics()[f'fairvisor_jwt_checks_total{{result="{result}"}}']


class Tokens(Case):
    def test_tenants_are_told_apart(self):
        edge = self.start()
        acme, other = (self.secret.token({"org_id": org, "exp": LATER}) for org in ("acme", "other"))
        again = self.secret.token({"org_id": "acme", "exp": LATER, "jti": "2"})
        self.assertEqual(self.statuses(edge, acme, again, acme, other, again, other, other),
                         [200, 200, 429, 200, 429, 200, 429])
        self.assertEqual((self.checks(edge, "verified"), self.checks(edge, "cached")), (3, 4))

    def test_every_kind_of_key(self):
        keys = [self.secret] + [jose.Private(self.folder, alg, alg.lower()) for alg in ("RS256", "ES256", "EdDSA")]
        self.write_keys(jose.key_set(*keys))
        edge = self.start()
        for key in keys:
            token = key.token({"org_id": key.alg, "exp": LATER})
            self.assertEqual(self.statuses(edge, token, token, token), [200, 200, 429], key.alg)

    def test_what_is_forged_is_refused(self):
        rsa = jose.Private(self.folder, "RS256", "r-1")
        self.write_keys(jose.key_set(rsa))
        edge = self.start()
        claims = {"org_id": "acme", "exp": LATER}
        good = rsa.token(claims)
        header, payload, signature = good.split(".")
        broken = "the signature does not verify"
        for pem in (rsa.pem(), rsa.pem().strip(), rsa.public_bytes()):  # the public key as a secret
            confused = jose.Secret("r-1", pem)
            self.assert_invalid(edge, confused.token(claims), broken)
        for name in ("none", "None", "NONE", "nOnE"):
            self.assert_invalid(edge, jose.unsigned({"alg": name}, claims) + ".", "the token is malformed")
            self.assert_invalid(edge, jose.unsigned({"alg": name}, claims) + ".AA", broken)
        others = jose.encode(json.dumps({"org_id": "x", "exp": LATER}).encode())
        self.assert_invalid(edge, f"{header}.{others}.{signature}", broken)
        self.assert_invalid(edge, f"{header}.{payload}.{signature[:-8]}AAAAAAAA", broken)
        self.assert_invalid(edge, rsa.token(claims, kid="r-2"), broken)
        self.assert_invalid(edge, rsa.token(claims, kid="../../etc/passwd"), broken)
        self.assert_invalid(edge, rsa.token(claims, crit=["x"], x=1),
                            "the token demands an extension that is not supported")
        self.assert_invalid(edge, f"{header}.{payload}!!.{signature}", "the token is malformed")
        self.assert_invalid(edge, f"{header}.{payload}.{signature}=", "the token is malformed")
        self.assert_invalid(edge, f"{header}..{signature}", "the token is malformed")
        self.assert_invalid(edge, f"{header}.{payload}.{'A' * 8192}", "the token is too long")
        self.assert_invalid(edge, [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
                            "more than one token was sent")
        for words in (f"{good} .", f"{good} x.y", f"{good}, Bearer {good}"):  # of which upstreams take the good one
            self.assert_invalid(edge, words, "the token is malformed")
        self.assertEqual(self.checks(edge, "verified"), 0)
        self.assertEqual(self.statuses(edge, good, good, good), [200, 200, 429])  # nothing of it was charged

    def test_claims_are_checked(self):
        edge = self.start(jwt_issuer="https://id.example", jwt_audience="api", jwt_leeway="5s")
        now = int(time.time())
        good = {"org_id": "a", "iss": "https://id.example", "aud": "api", "exp": now + 3600}
        elsewhere = "the token is not meant for this service"
        for change, cause in (({"exp": now - 6}, "the token has expired"), ({"exp": 1e300}, None),
                              ({"exp": None}, "the token is malformed"), ({"exp": "x"}, "the token is malformed"),
                              ({"nbf": now + 3600}, "the token is not valid yet"), ({"nbf": now - 1}, None),
                              ({"iat": now + 3600}, "the token is not valid yet"),
                              ({"iss": "https://evil.example"}, elsewhere), ({"aud": "other"}, elsewhere),
                              ({"aud": []}, elsewhere), ({"aud": ["other", "api"]}, None)):
            token = self.secret.token({**good, **change, "org_id": json.dumps(change)})
            if cause:
                self.assert_invalid(edge, token, cause)
            else:
                self.assertEqual(self.ask(edge, token).status, 200, change)
        endless = {name: value for name, value in good.items() if name != "exp"}
        self.assert_invalid(edge, self.secret.token(endless), "the token has no expiry")

    def test_a_kept_token_ends_when_it_expires(self):
        edge = self.start(per_tenant(burst=1000000), jwt_leeway="0")
        token = self.secret.token({"org_id": "a", "exp": int(time.time()) + LASTING})
        self.assertEqual(self.ask(edge, token).status, 200)
        harness.wait_until(lambda: self.ask(edge, token).status == 401, "the token to expire")
        self.assertGreaterEqual(self.checks(edge, "cached"), 1)
        self.assertGreaterEqual(self.checks(edge, "expired"), 1)

    def test_what_is_no_token_has_no_claims(self):
        edge = self.start()  # on_missing is skip
        for fields in ({}, {"Authorization": "Bearer sk-live-0123456789"}, {"Authorization": "Basic dXNlcjpwYXNz"},
                       {"Authorization": "Bearer"}, {"Authorization": "Bearer a.b"}):
            self.assertEqual(self.ask(edge, fields).status, 200, fields)
        self.assertEqual(edge.metric("fairvisor_jwt_checks_total"), 0)

    def test_a_policy_without_claims_looks_at_no_token(self):
        edge = self.start(harness.one_rule(rate=1000, burst=1000))
        self.assertEqual(self.ask(edge, "a.b.c").status, 200)

    def test_anonymous(self):
        edge = self.start(per_tenant(on_missing="share"), jwt_on_invalid="anonymous")
        forged = jose.Secret("s-1", b"x" * 32).token({"org_id": "acme", "exp": LATER})
        good = self.secret.token({"org_id": "acme", "exp": LATER})
        self.assertEqual(self.statuses(edge, forged, {}, forged, {}, good, good, good),
                         [200, 200, 429, 429, 200, 200, 429])
        self.assertEqual(self.checks(edge, "signature"), 2)

    def test_reasons_can_be_hidden(self):
        edge = self.start(expose_reason="off")
        answer = self.ask(edge, "a.b.c")
        self.assertEqual((answer.status, answer.header("WWW-Authenticate")), (401, 'Bearer error="invalid_token"'))
        self.assertNotIn(b"malformed", answer.body)

    def test_a_gateway_that_knows_only_403(self):
        edge = self.start()
        answer = self.ask(edge, [("Authorization", "Bearer a.b.c"), ("X-Fairvisor-Reject-Status", "403")])
        self.assertEqual((answer.status, answer.header("X-Fairvisor-Status")), (403, "401"))
        self.assertIn("invalid_token", answer.header("WWW-Authenticate"))


class Keys(Case):
    def test_keys_are_replaced_by_a_reload(self):
        edge = self.start(per_tenant(burst=4), workers=2)
        old, new = self.secret, jose.Secret("s-2")
        by_old, by_new = (key.token({"org_id": "acme", "exp": LATER}) for key in (old, new))
        self.assertEqual(self.statuses(edge, by_old, by_new), [200, 401])
        self.write_keys(jose.key_set(old, new))
        self.assertEqual(self.statuses(edge, by_new), [401])  # not before the reload
        edge.reload()
        self.assertEqual(self.statuses(edge, by_old, by_new), [200, 200])
        self.write_keys(jose.key_set(new))
        edge.reload()
        self.assertEqual(self.statuses(edge, by_old, by_new, by_new), [401, 200, 429])  # and what was spent stays spent

    def test_bad_keys_change_nothing(self):
        edge = self.start(per_tenant(burst=100), workers=2)
        token = self.secret.token({"org_id": "acme", "exp": LATER})
        before = edge.ready()["generation"]
        self.assertEqual(self.ask(edge, token).status, 200)
        secret = self.secret.public()
        for text, part in (("{", "is not closed"), ('{"keys": []}', "has no key"),
                           (json.dumps({"keys": [{**secret, "alg": "none"}]}), "alg must be one of"),
                           (json.dumps({"keys": [{**secret, "k": "c2hvcnQ"}]}), "k has 5 bytes; HS256 needs 32"),
                           (json.dumps({"keys": [secret, secret]}), "the same kid"),
                           (json.dumps({"keys": [{**secret, "d": "AQAB"}]}), "private key"),
                           (json.dumps({"keys": [{**secret, "use": "enc"}]}), "there to encrypt"),
                           (json.dumps({"keys": [{**secret, "use": "tls"}]}), "use is not sig")):
            self.write_keys(text)
            said = edge.reload_refused()
            self.assertIn(part, said)
            self.assertIn("jwks.json:", said)
            self.assertNotIn(secret["k"], said)
            self.assertEqual(self.ask(edge, token).status, 200)
        os.unlink(self.keys_file)
        self.assertIn("jwt_keys_file", edge.reload_refused())
        self.assertEqual(edge.ready()["generation"], before)
        self.assertEqual(self.ask(edge, token).status, 200)

    def test_a_worker_that_is_replaced_has_the_keys_of_its_generation(self):
        edge = self.start(per_tenant(burst=100))
        token = self.secret.token({"org_id": "acme", "exp": LATER})
        self.write_keys("{")
        before = edge.workers()
        harness.kill(before[0])
        harness.wait_until(lambda: edge.workers() and edge.workers() != before, "another worker")
        harness.wait_until(edge.ready, "the other worker to answer")
        self.assertEqual(self.ask(edge, token).status, 200)

    def test_start_and_check_refuse_bad_keys(self):
        for text, part in (("[]", "a key set is an object"), ('{"keys": [{"kty": "oct"}]}', "alg is missing")):
            self.write_keys(text)
            edge = self.new_edge(per_tenant(), settings={"jwt_keys_file": self.keys_file})
            for words in (["-t"], []):
                done = edge.run(*words)
                self.assertEqual(done.returncode, 78, done)
                self.assertIn(part, done.stderr)
                self.assertIn(f"{self.keys_file}:1:", done.stderr)

    def test_keys_to_encrypt_are_left_out(self):
        document = json.loads(jose.key_set(self.secret))
        document["keys"].insert(0, {"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "e-1", "n": "AQAB"})
        self.write_keys(json.dumps(document))
        edge = self.start()
        for said in (edge.run("-t").stderr, edge.log()):
            self.assertIn("left out, for they are there to encrypt (use is enc): 1", said)
        self.assertEqual(self.statuses(edge, self.secret.token({"exp": LATER, "org_id": "a"})), [200])

    def test_the_warning_is_given_without_keys_only(self):
        unverified = "without verifying"
        edge = self.new_edge(per_tenant())
        self.assertIn(unverified, edge.run("-t").stderr)
        self.assertIn("not verified", edge.run("-t").stderr)
        edge = self.start()
        for said in (edge.run("-t").stderr, edge.log()):
            self.assertNotIn(unverified, said)
            self.assertNotIn("not verified", said)
        for words, warnings in ((["-c", edge.config_file], 0), ([], 1)):
            done = edge.cli("validate", "--format", "json", *words, edge.policy_file)
            found = [row["code"] for row in json.loads(done.stdout)["complaints"]]
            self.assertEqual(found.count("unverified_jwt"), warnings, done.stdout)

    def test_rules_without_keys_are_refused(self):
        for name, value in (("jwt_issuer", "x"), ("jwt_audience", "x"), ("jwt_on_invalid", "anonymous")):
            done = self.new_edge(per_tenant(), settings={name: value}).run("-t")
            self.assertEqual(done.returncode, 78, done)
            self.assertIn(f"{name}", done.stderr)
            self.assertIn("has no effect without jwt_keys_file", done.stderr)

    def test_the_command_agrees(self):
        edge = self.start(per_tenant(burst=100))
        for token in (self.secret.token({"exp": LATER}), self.secret.token({"exp": 1}),
                      jose.unsigned({"alg": "none"}, {"exp": LATER}) + ".AA", "a.b.c"):
            done = edge.cli("jwt", "--keys", self.keys_file, "--json", "-", input=token + "\n")
            document = json.loads(done.stdout)
            status = self.ask(edge, token).status
            self.assertEqual((document["valid"], done.returncode), (status == 200, 0 if status == 200 else 1), done)
            done = edge.cli("explain", "-c", edge.config_file, "--json", "GET", "/", "-H", "Authorization: Bearer " + token)
            explained = json.loads(done.stdout)
            self.assertEqual((explained["request"]["token"]["good"], explained["verdict"]["allowed"]), (status == 200,) * 2, done)
            if not document["valid"]:
                self.assertEqual(self.checks(edge, document["reason"]), 1)
