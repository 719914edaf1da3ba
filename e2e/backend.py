# SPDX-License-Identifier: MPL-2.0
"""The application behind a gateway."""

import json
import re
import socket
import threading


class Backend(threading.Thread):
    """An application behind a gateway: answers with what it received, as JSON; a path of /status/N answers N."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.requests = []
        self.start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        with peer, peer.makefile("rb") as file:
            head = file.readline().decode("latin-1").split()
            if len(head) != 3:
                return
            fields = {}
            for line in iter(file.readline, b"\r\n"):
                name, _, value = line.decode("latin-1").partition(":")
                fields[name.lower()] = value.strip()
            body = file.read(int(fields.get("content-length", 0)))
            self.requests.append((head[0], head[1], fields, body))
            found = re.match(r"/status/(\d+)", head[1])
            status = int(found.group(1)) if found else 200
            text = json.dumps({"method": head[0], "uri": head[1], "headers": fields, "size": len(body)}).encode()
            peer.sendall(b"HTTP/1.1 %d From-Backend\r\nContent-Type: application/json\r\nX-Backend: yes\r\n"
                         b"Content-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text)) + text)

    def remove(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()  # or it would accept of the next listener that gets the number of this one
        self.listener.close()
        return []
