#!/usr/bin/env python3
"""Logs into pgAdmin with a headless Chromium, opens the server and its database, and takes a screenshot.

pgadmin-tour.py URL EMAIL PASSWORD GROUP SERVER DATABASE SCREENSHOT.png

Exits 0 when the database is seen below its server. Needs chromium; speaks the DevTools protocol over the browser's pipe.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

WAIT_SECONDS = 60
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--window-size=1100,760", "--remote-debugging-pipe",
]


class Browser:
    """One page of one browser."""

    def __init__(self, program, profile):
        commands_out, self.commands = os.pipe()
        self.answers, answers_in = os.pipe()

        def arrange():
            # The browser reads commands from descriptor 3 and answers on 4; first away from there, lest one cover the other.
            read, write = os.dup(commands_out), os.dup(answers_in)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=arrange, close_fds=False,
        )
        os.close(commands_out)
        os.close(answers_in)
        self.numbers = itertools.count(1)
        self.received = b""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        limit = time.monotonic() + WAIT_SECONDS
        while True:
            while b"\0" not in self.received:
                if not select.select([self.answers], [], [], max(0, limit - time.monotonic()))[0]:
                    raise TimeoutError(f"the browser does not answer {method}")
                read = os.read(self.answers, 1 << 20)
                if not read:
                    raise EOFError("the browser ended")
                self.received += read
            answer, self.received = self.received.split(b"\0", 1)
            answer = json.loads(answer)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def value(self, script):
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"].get("exception", {}).get("description", "the script failed"))
        return result["result"].get("value")

    def until(self, what, script, seconds=WAIT_SECONDS):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                value = self.value(script)
            except RuntimeError:
                value = None  # a page that is being replaced has no context to run in
            if value:
                return value
            time.sleep(0.2)
        raise TimeoutError(f"{what} did not appear within {seconds} s")

    def click(self, what, script, times=1):
        """Clicks the middle of the element that the script gives."""
        place = f"(() => {{ const e = {script}; if (!e) return null; const r = e.getBoundingClientRect(); return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null }})()"
        x, y = self.until(what, place)
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def write(self, selector, text):
        self.click(selector, f"document.querySelector({json.dumps(selector)})")
        self.call("Input.insertText", text=text)

    def screenshot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def node(name):
    """The entry of the object tree with this label."""
    return f"[...document.querySelectorAll('.file-entry')].find(e => e.innerText.trim().split('\\n')[0].replace(/ \\(\\d+\\)$/, '') === {json.dumps(name)})"


def tour(browser, url, email, password, group, server, database):
    browser.call("Page.navigate", url=url)
    browser.write("input[name=email]", email)
    browser.write("input[name=password]", password)
    browser.click("the login button", "document.querySelector('button[name=internal_button], button[type=submit]')")
    seen = lambda name: f"!!({node(name)})"
    browser.until("the object tree", seen(group))
    for name, below in ((group, server), (server, "Databases"), ("Databases", database)):
        # A click that comes while the tree is still being drawn opens nothing, so it is tried again.
        for _ in range(4):
            if browser.value(seen(below)):
                break
            browser.click(name, node(name), times=2)
            try:
                browser.until(f"{below}, below {name},", seen(below), seconds=10)
            except TimeoutError as error:
                missing = error
        else:
            raise missing
    browser.click(database, node(database))


def main(arguments):
    if len(arguments) != 7:
        return __doc__
    url, email, password, group, server, database, picture = arguments
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        return "no chromium here; apt-get install chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            tour(browser, url, email, password, group, server, database)
            time.sleep(6)  # lets the dashboard draw some values
            browser.screenshot(picture)
        except (TimeoutError, RuntimeError) as error:
            browser.screenshot(picture)
            return f"{error}; what was on the screen: {picture}"
        finally:
            browser.close()
    print(f"pgAdmin shows the server {server} with its database {database}: {picture}")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
