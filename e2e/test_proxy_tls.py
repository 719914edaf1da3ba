# SPDX-License-Identifier: MPL-2.0
"""TLS on both sides of the reverse proxy: what clients are shown, and what of an upstream is believed."""

import json
import os
import socket
import ssl
import subprocess
import threading
import time

import harness
import test_proxy
import upstream

OK = upstream.counted()


def make_certificate(folder, name, names="DNS:localhost, IP:127.0.0.1", signer=None, days="2"):
    """A key and a certificate in FOLDER: NAME.key, NAME.pem; its own authority, or signed by SIGNER."""
    key, pem = (os.path.join(folder, f"{name}.{kind}") for kind in ("key", "pem"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               key, "-out", pem, "-days", days, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"]
    if signer:
        command += ["-CA", os.path.join(folder, f"{signer}.pem"), "-CAkey", os.path.join(folder, f"{signer}.key")]
    subprocess.run(command, check=True, capture_output=True)
    return key, pem


class SecureScripted(upstream.Scripted):
    """A scripted upstream that speaks TLS with CONTEXT."""

    def __init__(self, serve, context):
        self.context, self.names = context, []
        context.sni_callback = lambda _, name, __: self.names.append(name)
        super().__init__(serve)
        self.url = f"https://localhost:{self.port}"

    def one(self, accepted):
        try:
            super().one(self.context.wrap_socket(accepted, server_side=True))
        except OSError:
            accepted.close()  # the proxy did not like the certificate


class SecureConnection(harness.Connection):
    def __init__(self, address, context, name="localhost"):  # pylint: disable=super-init-not-called
        self.socket = context.wrap_socket(socket.create_connection(address, 20), server_hostname=name)
        self.buffer = b""


class HalfConnection:
    """Says by TLS that nothing more comes, and reads on: sockets of Python's ssl do not."""

    def __init__(self, address, context):
        self.socket, self.into, self.out = socket.create_connection(address, 20), ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_hostname="localhost")
        self.go_on(self.tls.do_handshake)

    def go_on(self, call):
        """What CALL gives, once enough has come for it."""
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                self.flush()
                self.into.write(self.socket.recv(65536))
            finally:
                self.flush()

    def flush(self):
        self.socket.sendall(self.out.read())

    def end(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self.flush()


class Held(SecureScripted):
    """Shakes no hand until it may."""

    def __init__(self, serve, context):
        self.may_greet = threading.Event()
        super().__init__(serve, context)

    def one(self, accepted):
        self.may_greet.wait(60)
        super().one(accepted)


class TestUpstream(test_proxy.ProxyCase):
    def secure(self, serve, name="server", names="DNS:localhost", trusted="ca", kind=SecureScripted, **settings):
        folder = self.temporary_folder()
        make_certificate(folder, "ca")
        make_certificate(folder, "other")
        key, pem = make_certificate(folder, name, names, "ca")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        server = self.own(kind(serve, context))
        settings = {"backend_ca_file": os.path.join(folder, trusted + ".pem"), **settings}
        return server, self.proxy(settings.pop("backend_url", server.url).replace("PORT", str(server.port)), **settings)

    def test_a_verified_upstream(self):
        body = os.urandom(300_000)
        server, edge = self.secure(upstream.answering(lambda request: upstream.counted(request.body)))
        for _ in range(3):
            self.assertEqual(harness.request(edge.address, "POST", body=body).body, body)
        self.assertEqual(set(server.names), {"localhost"})
        self.assertEqual(server.connections, 1)  # localhost may have another address, where nobody listens

    def test_an_address_in_the_url(self):
        _, edge = self.secure(upstream.answering(OK), names="IP:127.0.0.1", backend_url="https://127.0.0.1:PORT")
        self.assertEqual(edge.get("/").status, 200)

    @harness.needs_mounts
    def test_a_name_with_a_dot_at_its_end(self):
        """So that no search domain is tried; certificates and SNI have none."""
        server, edge = self.secure(upstream.answering(OK), backend_url="https://localhost.:PORT", hosts="127.0.0.1 localhost.\n")
        self.assertEqual((edge.get("/").status, server.names), (200, ["localhost"]))

    def refused(self, cause, **more):
        server, edge = self.secure(upstream.answering(OK), **more)
        answer = edge.get("/")
        self.assertEqual((answer.status, answer.json()["error"]["code"]), (502, "tls"))
        self.assertEqual(server.requests, [])
        edge.wait_log(f"no secure connection to the upstream .*: .*{cause}")
        self.assertEqual(self.failures(edge), {"tls": 1})

    def test_an_unknown_authority(self):
        self.refused("unable to get local issuer", trusted="other")

    def test_another_name(self):
        self.refused("[Hh]ostname mismatch", names="DNS:elsewhere.example")

    def test_another_address(self):
        self.refused("IP address mismatch", names="DNS:localhost", backend_url="https://127.0.0.1:PORT")

    def test_no_tls_there(self):
        server = self.own(upstream.Scripted(lambda peer: (peer.more(), peer.send(OK), peer.rest())))
        edge = self.proxy(server.url.replace("http:", "https:"))
        self.assertEqual((edge.get("/").status, self.failures(edge)), (502, {"tls": 1}))

    TOKENS = {"bundle_version": 1, "policies": [{"id": "p", "spec": {"selector": {"pathPrefix": "/"}, "rules": [
        {"name": "r", "limit_keys": [], "algorithm": "token_bucket_llm",
         "algorithm_config": {"tokens_per_day": 1500, "streaming": {"on_client_gone": "drain"}}}]}}]}
    CHAT = json.dumps({"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "x" * 4000}]}).encode()

    def test_a_handshake_is_no_request(self):
        """One that fails charges nothing: the upstream has seen no byte of what was asked."""
        harness.avoid_midnight()
        _, edge = self.secure(upstream.answering(OK), trusted="other", policy=self.TOKENS)
        for _ in range(3):  # two prompts are more than there is
            self.assertEqual(harness.request(edge.address, "POST", "/v1/chat/completions", body=self.CHAT).status, 502)

    def test_a_client_that_leaves_before_the_handshake(self):
        """What nobody waits for any more is not asked, though answers that are under way are read to their end; nothing is charged."""
        harness.avoid_midnight()
        server, edge = self.secure(upstream.answering(OK), kind=Held, policy=self.TOKENS, backend_connect_timeout="1h")
        for count in (1, 2, 3):
            with harness.Connection(edge.address) as client:
                client.send(harness.format_request("POST", "/v1/chat/completions", body=self.CHAT))
                harness.wait_until(lambda count=count: server.connections >= count, "a connection to the upstream")
            harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "it to be given up")
        server.may_greet.set()
        self.assertEqual(harness.request(edge.address, "POST", "/v1/chat/completions", body=self.CHAT).status, 200)
        self.assertEqual(len(server.requests), 1)

    def test_an_end_that_nobody_announced(self):
        """A body that ends with the connection: complete only when TLS says so."""
        def serve(peer):
            if peer.request().target == "/whole":
                peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
                peer.socket.unwrap()
            else:
                peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")
                peer.socket.shutdown(socket.SHUT_RDWR)
        _, edge = self.secure(serve)
        self.assertEqual(edge.get("/whole").body, b"abc")
        with self.assertRaises(harness.Incomplete):
            edge.get("/cut")


class TestClients(test_proxy.ProxyCase):
    def start(self, folder, key, pem, **settings):
        self.port = harness.free_port()
        edge = self.new_edge(harness.one_rule(1000000, 1000000, []), workers=1, settings={
            "tls_cert": pem, "tls_key": key, "ops_listen": "PLACE", "listen": f"127.0.0.1:{self.port}", **settings})
        edge.write_settings(ops_listen=f"127.0.0.1:{edge.port}")  # where the harness asks
        return edge.start()

    def context(self, pem):
        return ssl.create_default_context(cafile=pem)

    def test_clients_of_both_modes(self):
        folder = self.temporary_folder()
        key, pem = make_certificate(folder, "server")
        os.chmod(key, 0o600)
        body = os.urandom(500_000)
        server = self.own(upstream.Scripted(upstream.answering(lambda request: upstream.counted(request.body))))
        for settings in ({"mode": "reverse_proxy", "backend_url": server.url}, {}):
            edge = self.start(folder, key, pem, **settings)
            with SecureConnection(("127.0.0.1", self.port), self.context(pem)) as client:
                if settings:
                    for _ in range(3):
                        client.send(harness.format_request("POST", body=body))
                        self.assertEqual(client.answer().body, body)
                    self.assertEqual(server.requests[-1].header("x-forwarded-proto"), "https")
                else:
                    client.send(harness.format_request(target="/v1/decision/x") * 3)
                    self.assertEqual([client.answer().status for _ in range(3)], [200] * 3)
            self.assertEqual(edge.metric("fairvisor_tls_failures_total"), 0)

    def test_a_tunnel_whose_client_has_said_all(self):
        def serve(peer):
            peer.request()
            peer.send(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
            peer.send(b"heard " + peer.rest())
        folder = self.temporary_folder()
        key, pem = make_certificate(folder, "server")
        os.chmod(key, 0o600)
        edge = self.start(folder, key, pem, mode="reverse_proxy", backend_url=self.own(upstream.Scripted(serve)).url)
        client, heard = HalfConnection(("127.0.0.1", self.port), self.context(pem)), b""
        self.addCleanup(client.socket.close)
        client.tls.write(harness.format_request(headers=[("Connection", "Upgrade"), ("Upgrade", "websocket")]))
        while not heard.endswith(b"\r\n\r\n"):
            heard += client.go_on(lambda: client.tls.read(65536))
        client.tls.write(b"all of it")
        client.end()
        heard = client.go_on(lambda: client.tls.read(65536))
        self.assertEqual(heard, b"heard all of it")
        harness.wait_until(lambda: edge.metric("fairvisor_upstream_connections") == 0, "the tunnel to close")

    def test_what_is_not_tls(self):
        folder = self.temporary_folder()
        key, pem = make_certificate(folder, "server")
        edge = self.start(folder, key, pem)
        for method in ("GET", "POST", "DELETE"):
            answer = harness.request(("127.0.0.1", self.port), method, "/v1/decision/x", body=b"x" * 70000 if method == "POST" else b"")
            self.assertEqual((answer.status, answer.header("Connection")), (400, "close"))
            self.assertIn(b"https://", answer.body)
        for start in (b"G", b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with harness.Connection(("127.0.0.1", self.port)) as client:
                client.send(start)
                self.assertTrue(client.rest().startswith(b"HTTP/1.1 400 "))
        for noise in (b"\x16\x03GET / HTTP/1.1\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"\0" * 100):
            with harness.Connection(("127.0.0.1", self.port)) as client:
                client.send(noise)
                self.assertNotIn(b"HTTP/", client.rest())
        old = self.context(pem)
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError):
            SecureConnection(("127.0.0.1", self.port), old)
        h2 = self.context(pem)
        h2.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            SecureConnection(("127.0.0.1", self.port), h2)
        self.assertGreaterEqual(edge.metric("fairvisor_tls_failures_total"), 2)

    def test_a_new_certificate_on_reload(self):
        folder = self.temporary_folder()
        key, pem = make_certificate(folder, "first")
        edge = self.start(folder, key, pem)
        old = self.context(pem)
        SecureConnection(("127.0.0.1", self.port), old).close()
        self.assertAlmostEqual(edge.metric("fairvisor_tls_certificate_expiry_timestamp_seconds"), time.time() + 2 * 86400,
                               delta=600)
        status = edge.cli("status", "-c", edge.config_file)
        self.assertEqual(status.returncode, 1, status.stdout)
        self.assertRegex(status.stdout, r"WARNING - the certificate \(tls_cert\) of instance \S+ expires at 20\S+Z")
        new_key, new_pem = make_certificate(folder, "second", days="30")
        os.replace(new_key, key)
        self.assertIn("is not that of the certificate", edge.reload_refused())
        os.replace(new_pem, pem)
        edge.reload()
        SecureConnection(("127.0.0.1", self.port), self.context(pem)).close()
        self.assertEqual(edge.cli("status", "-c", edge.config_file).returncode, 0)
        with self.assertRaises(ssl.SSLCertVerificationError):
            SecureConnection(("127.0.0.1", self.port), old)
        self.assertNotIn("PRIVATE KEY", edge.log())

    def test_settings(self):
        folder = self.temporary_folder()
        key, pem = make_certificate(folder, "server")
        edge = self.new_edge(harness.one_rule(), settings={"tls_cert": pem})
        self.assertIn("tls_cert is set and tls_key is not", edge.run("-t").stderr)
        edge.write_settings(tls_key=pem)
        self.assertIn("holds no private key", edge.run("-t").stderr)
        edge.write_settings(tls_cert=key, tls_key=key)
        self.assertIn("holds no certificate", edge.run("-t").stderr)
        edge.write_settings(tls_cert=pem)
        self.assertEqual(edge.run("-t").returncode, 0)
        edge.write_settings(backend_ca_file=pem)
        self.assertIn("backend_ca_file has no effect", edge.run("-t").stderr)
        edge.write_settings(mode="reverse_proxy", backend_url="https://localhost", backend_ca_file=key)
        self.assertIn("holds no certificate", edge.run("-t").stderr)
