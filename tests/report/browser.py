"""A page in a real browser: what it loads, logs and lays out."""

import asyncio
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager

from tornado.websocket import websocket_connect

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LAYOUT = """
(() => {
  const width = document.documentElement.clientWidth;
  const inside = e => e.closest('.scroll, .pixels figure');
  const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 1 && !inside(e)).map(e => e.tagName + ' ' + e.className);
  const parts = [...document.querySelectorAll('header, section, footer')].map(e => e.getBoundingClientRect());
  return {
    width,
    scroll: document.documentElement.scrollWidth,
    wide,
    overlaps: parts.slice(1).filter((r, i) => r.top < parts[i].bottom - 1).length,
    empty: parts.filter(r => r.height < 10).length,
    images: [...document.images].map(i => ({width: i.naturalWidth, height: i.naturalHeight, shown: i.getBoundingClientRect().width, done: i.complete, alt: i.alt, pixels: !!i.closest('.pixels')})),
    small: [...document.querySelectorAll('p, td, th, small, figcaption, li, span')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 10).length,
    text: document.body.innerText,
  };
})()
"""


@contextmanager
def chromium(folder):
    """The address of a page of a browser of our own."""
    process = subprocess.Popen(
        [BROWSER, *OPTIONS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        port = _port(folder / "DevToolsActivePort", process)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            yield next(t["webSocketDebuggerUrl"] for t in json.load(answer) if t["type"] == "page")
    finally:
        process.kill()
        process.wait()


def _port(file, process):
    start = time.monotonic()
    while time.monotonic() - start < 60 and process.poll() is None:
        if file.exists() and len(file.read_text().splitlines()) > 1:
            return int(file.read_text().splitlines()[0])
        time.sleep(0.05)
    raise RuntimeError("the browser did not start")


class Page:
    """Commands to a page, and what it reported meanwhile."""

    def __init__(self, socket):
        self.socket, self.number, self.events = socket, 0, []

    async def call(self, method, **parameters):
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            said = json.loads(await asyncio.wait_for(self.socket.read_message(), 60))
            if said.get("id") == self.number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    async def until(self, method):
        while not any(e.get("method") == method for e in self.events):
            self.events.append(json.loads(await asyncio.wait_for(self.socket.read_message(), 60)))

    def of(self, *methods):
        return [e["params"] for e in self.events if e.get("method") in methods]


async def _visit(address, file, sizes):
    socket = await websocket_connect(address, max_message_size=2**28)
    try:
        return await _look(Page(socket), file, sizes)
    finally:
        socket.close()
        await socket.read_message()  # None, once it is closed


async def _look(page, file, sizes):
    for domain in ("Page", "Runtime", "Log", "Network"):
        await page.call(f"{domain}.enable")
    found = {}
    for name, (width, height, mobile) in sizes.items():
        await page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        page.events = [e for e in page.events if e.get("method") != "Page.loadEventFired"]
        await page.call("Page.navigate", url=file.as_uri())
        await page.until("Page.loadEventFired")
        found[name] = (await page.call("Runtime.evaluate", expression=LAYOUT, returnByValue=True))["result"]["value"]
    printed = await page.call("Page.printToPDF", printBackground=True)
    requests = [e["request"]["url"] for e in page.of("Network.requestWillBeSent")]
    return {
        **found,
        "pdf": printed["data"],
        "errors": page.of("Runtime.exceptionThrown", "Log.entryAdded")
        + [e for e in page.of("Runtime.consoleAPICalled") if e["type"] in ("error", "warning", "assert")],
        "requests": [url for url in requests if not url.startswith(("data:", file.as_uri()))],
    }


def visit(folder, file, sizes):
    """Layouts by the names of the sizes (width, height, mobile), errors, requests that left the page, and the page as PDF (base64)."""
    with chromium(folder) as address:
        return asyncio.run(_visit(address, file, sizes))
