"""Servers of object stores for tests: a real process that speaks S3, and a folder over HTTP."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

KEY, SECRET = "AKIAKEYTHATNOBODYMAYSEE", "a+secret/that_nobody_may_see"


class S3:
    """moto's server. Everything is allowed until ``deny``."""

    def __init__(self, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        with open(log, "wb") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], stdout=out, stderr=out)
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end, "moto did not start"
            time.sleep(0.1)
        self.ask("PUT", "/rocks")

    def _answers(self):
        try:
            return self.ask("GET", "/moto-api/").status == 200
        except OSError:
            return False

    def ask(self, method, path, data=None):
        return urllib.request.urlopen(urllib.request.Request(self.address + path, data, {"Content-Type": "text/plain"}, method=method))

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": self.address, "AWS_REGION": "us-east-1"}

    def deny(self, requests=0):
        """Check who asks, after so many requests."""
        self.ask("POST", "/moto-api/reset-auth", str(requests).encode())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


class Web:
    """A folder that a plain web server shows: no lists for machines, no ranges."""

    def __init__(self, folder):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
