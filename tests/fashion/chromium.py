"""Headless Chromium for tests, spoken to over its debugging pipe (Chrome DevTools Protocol)."""

import base64
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest


class Chromium:
    """One page in a browser of its own; a context manager."""

    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None or os.name != "posix":
            pytest.skip("needs Chromium (apt-get install chromium)")
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
        # The browser reads from its descriptor 3 and writes to its 4.
        shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        flags += f" --user-data-dir={self.home.name} --remote-debugging-pipe about:blank"
        self.process = subprocess.Popen(
            ["bash", "-c", shell, program, *flags.split()],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._stream = os.fdopen(self._in, "rb")
        self._numbers = itertools.count(1)
        self._session = None
        self.messages = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._out)
        self._stream.close()
        self.home.cleanup()

    def call(self, method, **parameters):
        """Send a command and give its result; other messages go to `messages`."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                return answer["result"]
            self.messages.append(answer)

    def _receive(self):
        data = bytearray()
        while (byte := self._stream.read(1)) not in (b"\0", b""):
            data += byte
        assert data, "Chromium has ended"
        return json.loads(data)

    def open(self, path, width=1280, height=900, dark=False):
        """Load a file at a window size in CSS pixels, and wait until it is there."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.messages.clear()
        self.call("Page.navigate", url=pathlib.Path(path).absolute().as_uri())
        while not any(m.get("method") == "Page.loadEventFired" for m in self.messages):
            self.messages.append(self._receive())

    def run(self, script):
        """The value of a JavaScript expression; a promise is waited for."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path):
        """Write what is in the window as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def downloads(self, folder):
        """Let downloads go to `folder`, without asking."""
        self.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def faults(self):
        """Exceptions, errors in the log, and requests that left the machine."""
        found = []
        for message in self.messages:
            method, told = message.get("method"), message.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(told["exceptionDetails"])
            elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(told["entry"]["text"])
            elif method == "Network.requestWillBeSent":
                url = told["request"]["url"]
                found += [] if url.startswith(("file:", "data:", "blob:")) else [url]
        return found
