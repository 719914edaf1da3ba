# SPDX-License-Identifier: MPL-2.0
"""Real gateways with the files of packaging/gateways/, unchanged but for addresses, paths and the patience of a health check, as
test_gateways.py starts them.

Each class says how its shipped file becomes the one that is run (replace, so that a line that is no longer there is an error),
how the choice to fail open is written, and what a client gets while fairvisord is dead.
"""

import os
import shutil
import subprocess
import tempfile

import harness

SHIPPED = os.path.join(harness.SOURCE, "packaging", "gateways")


def replace(text, *pairs):
    """Replaces each OLD, which must be there, by its NEW."""
    for old, new in pairs:
        if old not in text:
            raise ValueError(f"{old!r} is not in:\n{text}")
        text = text.replace(old, new)
    return text


def shipped(name):
    with open(os.path.join(SHIPPED, name), encoding="utf-8") as file:
        return file.read()


class Gateway:
    """One running gateway in a folder of its own."""

    silent = (503,)  # what clients get while fairvisord is dead, failing closed
    largest_body = 3 << 20
    hands_reservation = False  # the application gets X-Fairvisor-Reservation, which it may settle
    tells_remaining = True  # allowed answers carry RateLimit-Remaining
    settings = {}  # of fairvisord
    environment = {}
    start_seconds = 60

    def __init__(self, edge, backend, opens):
        self.edge, self.backend, self.opens = edge, backend, opens
        self.directory = tempfile.mkdtemp(prefix="fairvisor-e2e-gateway-")
        os.chmod(self.directory, 0o755)
        self.port = harness.free_port()
        self.address, self.process = ("127.0.0.1", self.port), None
        self.name = type(self).__name__

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def binary(self, name, package):
        found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if not found:
            raise FileNotFoundError(f"{name} is not installed: packaging/install-packages test ({package})")
        return found

    def start(self):
        return self.begin().wait()

    def begin(self):
        command = self.command()
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=harness.clean_environment(self.environment), cwd=self.directory)
        return self

    def wait(self):
        harness.wait_until(lambda: harness.is_listening(self.process, self.address), f"{self.name} to listen",
                           self.start_seconds)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} exited with {self.process.returncode}:\n{self.log()}")
        return self

    def log(self):
        """What it has said, and what those that have an error log of their own have written there."""
        return harness.texts_in(self.directory, "log", "error.log")

    def get(self, target="/", headers=(), method="GET", body=b"", **more):
        return harness.request(self.address, method, target, headers, body, **more)

    def remove(self):
        return harness.stop_process(self.process, self.name)


class Haproxy(Gateway):
    hands_reservation = True
    patience = ("timeout check 250ms", "timeout check 5s")  # a machine that is busy does not make fairvisord look dead

    def command(self):
        lua = replace(shipped("haproxy/fairvisor.lua"), ("abns@fairvisor", f"abns@fairvisor-{self.port}"))
        text = replace(shipped("haproxy/haproxy.cfg"),
                       ("/etc/haproxy/fairvisor.lua", self.write("fairvisor.lua", lua)),
                       ("bind :80", f"bind 127.0.0.1:{self.port}"), ("127.0.0.1:8080", f"127.0.0.1:{self.edge.port}"),
                       ("abns@fairvisor", f"abns@fairvisor-{self.port}"), ("127.0.0.1:8000", f"127.0.0.1:{self.backend.port}"),
                       self.patience)
        if self.opens:
            text = replace(text, ("lua.fairvisor closed", "lua.fairvisor open"),
                           ("    http-request return", "    # http-request return"))
        return [self.binary("haproxy", "haproxy"), "-db", "-f", self.write("haproxy.cfg", text)]


class Caddy(Gateway):
    silent = (502, 504)

    @property
    def environment(self):
        return {"HOME": self.directory, "XDG_DATA_HOME": self.directory, "XDG_CONFIG_HOME": self.directory}

    def command(self):
        text = replace(shipped("caddy/Caddyfile"), ("127.0.0.1:8080", f"127.0.0.1:{self.edge.port}"),
                       (":80 {", f"http://127.0.0.1:{self.port}, http://localhost:{self.port} {{"),
                       ("127.0.0.1:8000", f"127.0.0.1:{self.backend.port}"))
        text = "{\n\tadmin off\n\tauto_https off\n}\n" + text
        if self.opens:
            text = replace(text, ("# import fairvisor_fail_open", "import fairvisor_fail_open"))
        return [self.binary("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", self.write("Caddyfile", text)]


APACHE_MAIN = """
ServerRoot {directory}
Listen 127.0.0.1:{port}
PidFile {directory}/pid
ErrorLog {directory}/error.log
ServerName localhost
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
LoadModule lua_module {modules}/mod_lua.so
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 8
Mutex pthread
"""


class Apache(Gateway):
    modules = "/usr/lib/apache2/modules"

    def command(self):
        lua = replace(shipped("apache/fairvisor.lua"), ('"127.0.0.1", 8080', f'"127.0.0.1", {self.edge.port}'))
        text = replace(shipped("apache/fairvisor.conf"),
                       ("/etc/apache2/fairvisor.lua", self.write("fairvisor.lua", lua)),
                       ("127.0.0.1:8000", f"127.0.0.1:{self.backend.port}"))
        if self.opens:
            text = replace(text, ("fairvisor.lua fairvisor_closed", "fairvisor.lua fairvisor_open"))
        main = APACHE_MAIN.format(directory=self.directory, port=self.port, modules=self.modules,
                                  user="User nobody\nGroup nogroup" if harness.IS_ROOT else "")
        return [self.binary("apache2", "apache2-bin"), "-f", self.write("apache.conf", main + text), "-DFOREGROUND"]


class Varnish(Gateway):
    largest_body = 900_000
    tells_remaining = False

    def command(self):
        text = replace(shipped("varnish/fairvisor.vcl"), ('.port = "8080"', f'.port = "{self.edge.port}"'),
                       ('.port = "8000"', f'.port = "{self.backend.port}"'))
        if self.opens:
            text = replace(text, ('#   set req.http.X-Fairvisor-Judged', 'set req.http.X-Fairvisor-Judged'),
                           ("#   return (restart)", "return (restart)"), ("return (synth(503));", ""))
        os.mkdir(self.path("n"))
        os.chmod(self.path("n"), 0o755)
        return [self.binary("varnishd", "varnish"), "-F", "-n", self.path("n"), "-a", f"127.0.0.1:{self.port}", "-T", "none",
                "-f", self.write("fairvisor.vcl", text), "-p", "vcl_path=" + self.directory, "-s", "malloc,32m"]


class Envoy(Gateway):
    hands_reservation = True
    # What it tells of a client stands behind what that claims, so that clients of 127.0.0.0/8 must not pass for proxies.
    settings = {"trusted_proxies": "127.0.0.1, ::1"}

    @staticmethod
    def path_of_binary():
        return os.environ.get("FAIRVISOR_ENVOY", os.path.join(harness.SOURCE, "build", "wheels", "gateways", "bin", "envoy"))

    def binary(self, name, package):
        path = self.path_of_binary()
        if not os.access(path, os.X_OK):
            raise FileNotFoundError(f"{path} is not there: packaging/install-wheels gateways")
        return path

    def command(self):
        text = replace(shipped("envoy/envoy.yaml"),
                       ("address: 0.0.0.0, port_value: 80 ", f"address: 127.0.0.1, port_value: {self.port} "),
                       ("127.0.0.1, port_value: 8080 ", f"127.0.0.1, port_value: {self.edge.port} "),
                       ("127.0.0.1, port_value: 8000 ", f"127.0.0.1, port_value: {self.backend.port} "))
        if self.opens:
            text = replace(text, ("failure_mode_allow: false", "failure_mode_allow: true"))
        return [self.binary("envoy", ""), "-c", self.write("envoy.yaml", text), "--concurrency", "1",
                "--disable-hot-restart", "-l", "warning"]


KONG_MAIN = """
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
daemon off;
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 0;
    lua_socket_log_errors off;
    init_by_lua_file {kong};
    server {{
        listen 127.0.0.1:{port};
        location / {{
            access_by_lua_file {directory}/access.lua;
            proxy_set_header Host $http_host;
            proxy_pass http://127.0.0.1:{backend};
        }}
    }}
}}
"""


class KongLua(Gateway):
    """The Lua of kong.yml, in nginx and kong.lua instead of Kong, which is not at hand."""

    modules = "/usr/lib/nginx/modules"
    hands_reservation = True

    @staticmethod
    def shipped_lua():
        """What stands behind `access: - |`, without the indentation of YAML."""
        text = shipped("kong/kong.yml").partition("          access:\n            - |\n")[2]
        lines = text.splitlines()
        if not lines or any(line and not line.startswith(" " * 14) for line in lines):
            raise ValueError("kong.yml does not end with the Lua of its plugin")
        return "\n".join(line[14:] for line in lines) + "\n"

    def command(self):
        lua = replace(self.shipped_lua(), ("127.0.0.1:8080", f"127.0.0.1:{self.edge.port}"))
        if self.opens:
            lua = replace(lua, ("FAIL_OPEN = false", "FAIL_OPEN = true"))
        self.write("access.lua", lua)
        text = KONG_MAIN.format(modules=self.modules, directory=self.directory, port=self.port, backend=self.backend.port,
                                kong=os.path.join(harness.HERE, "kong.lua"),
                                user="user nobody nogroup;" if harness.IS_ROOT else "")
        return [self.binary("nginx", "libnginx-mod-http-lua"), "-p", self.directory, "-c", self.write("nginx.conf", text)]


class Litellm(Gateway):
    """The backend is a model's interface. LiteLLM imports for tens of seconds where the machine is busy."""

    start_seconds = 600
    key = "sk-master"

    @property
    def environment(self):
        # Without a look at the network for prices and news.
        return {"HOME": self.directory, "FORWARDED_ALLOW_IPS": "", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_LOCAL_BLOG_POSTS": "True", "LITELLM_MASTER_KEY": self.key, "OPENAI_API_KEY": "sk-none",
                "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1"}

    @staticmethod
    def folder_of_programs():
        return os.path.join(harness.SOURCE, "build", "wheels", "litellm", "bin")

    def binary(self, name, package):
        path = os.path.join(self.folder_of_programs(), name)
        if not os.access(path, os.X_OK):
            raise FileNotFoundError(f"{path} is not there: packaging/install-wheels litellm")
        return path

    def command(self):
        text = shipped("litellm/fairvisor_callback.py")
        text = replace(text, ('"http://127.0.0.1:8080"', f'"{self.edge_address()}"'))
        if self.opens:
            text = replace(text, ("FAIL_OPEN = False", "FAIL_OPEN = True"))
        self.write("fairvisor_callback.py", text)
        url = f"http://127.0.0.1:{self.backend.port}"
        model = "      model: openai/gpt-4o\n"
        text = replace(shipped("litellm/config.yaml"), (model, model + f"      api_base: {url}/v1\n"),
                       ("\nlitellm_settings:", MODELS.format(url=url) + "\nlitellm_settings:" + CACHE))
        # A model that fails on purpose must not be left alone for a while.
        text += "router_settings:\n  disable_cooldowns: true\n  num_retries: 0\n  fallbacks: [{bad: [gpt-4o]}]\n"
        if self.opens:
            # Keys that LiteLLM makes itself want a database.
            self.write("keys.py", KEYS)
            text = replace(text, ("general_settings:", "general_settings:\n  custom_auth: keys.check"))
        return [self.binary("litellm", ""), "--config", self.write("config.yaml", text), "--host", "127.0.0.1",
                "--port", str(self.port)]

    def edge_address(self):
        """One way for each of the two."""
        return f"http://127.0.0.1:{self.edge.port}" if self.opens else f"unix:{self.edge.unix_path}"


MODELS = """  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-20250514
      api_base: {url}
      api_key: sk-none
  - model_name: bad
    litellm_params:
      model: openai/bad
      api_base: {url}/v1
      api_key: sk-none
  - model_name: flaky
    litellm_params:
      model: openai/flaky
      api_base: {url}/v1
      api_key: sk-none
      num_retries: 2
"""
CACHE = """
  cache: true
  cache_params:
    type: local
    mode: default_off"""
KEYS = """
from litellm.constants import LITELLM_PROXY_MASTER_KEY_ALIAS
from litellm.proxy._types import UserAPIKeyAuth, hash_token

async def check(request, api_key):
    name = LITELLM_PROXY_MASTER_KEY_ALIAS if api_key == "sk-master" else hash_token(api_key)
    return UserAPIKeyAuth(api_key=name, user_id="user of " + api_key, team_id="team of " + api_key)
"""

# Which test_gateways.py runs. LiteLLM's application is a model, so that it has rows of its own: test_litellm.py.
ALL = (Haproxy, Envoy, Caddy, Apache, Varnish, KongLua)
