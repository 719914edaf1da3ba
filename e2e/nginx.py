# SPDX-License-Identifier: MPL-2.0
"""A real nginx."""

import os
import shutil
import subprocess
import tempfile

from ground import IS_ROOT, is_listening, wait_until
from processes import children_of, stop_process
from raw_http import request

NGINX_MAIN = """
{main}
daemon off;
worker_processes {workers};
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections {connections}; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
{http}
}}
"""


def texts_in(directory, *names):
    """What stands in those of the files NAMES that are there."""
    text = ""
    for name in names:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += file.read()
    return text


class Nginx:
    """A real nginx with a prefix of its own; HTTP is the text of its http block, MAIN stands before everything."""

    def __init__(self, http, port, workers=1, main="", connections=1024):
        self.directory = tempfile.mkdtemp(prefix="fairvisor-e2e-nginx-")
        os.chmod(self.directory, 0o755)
        self.port, self.address, self.process = port, ("127.0.0.1", port), None
        text = NGINX_MAIN.format(main=main, directory=self.directory, workers=workers, http=http, connections=connections,
                                 user="user nobody nogroup;" if IS_ROOT else "")
        self.config_file = os.path.join(self.directory, "nginx.conf")
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(text)

    @staticmethod
    def binary():
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin")

    def start(self):
        binary = self.binary()
        if not binary:
            raise FileNotFoundError("nginx is not installed: apt-get install nginx-light")
        self.process = subprocess.Popen([binary, "-p", self.directory, "-c", self.config_file],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(self.directory, "stderr"), "wb"))
        wait_until(lambda: is_listening(self.process, self.address), "nginx to listen")
        if self.process.poll() is not None:
            raise RuntimeError(f"nginx exited with {self.process.returncode}:\n{self.log()}")
        return self

    def pids(self):
        return [self.process.pid, *children_of(self.process.pid)]

    def log(self):
        return texts_in(self.directory, "stderr", "error.log")

    def get(self, target="/", headers=(), method="GET", body=b"", **more):
        return request(self.address, method, target, headers, body, **more)

    def remove(self):
        return stop_process(self.process, "nginx")
