"""Downloads from a local server that misbehaves in every way a server can."""

import hashlib
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from onemask import download as module
from onemask.download import Patience, download
from onemask.errors import OnemaskError

CONTENT = random.Random(0).randbytes(300_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
QUICK = Patience(timeout=0.5, tries=4, pause=0.01)


class Handler(BaseHTTPRequestHandler):
    """Sends CONTENT; `server.faults` holds what goes wrong with each request, in turn: a status, or a name below."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            self.send_error(fault)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fault != "no ranges" else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = CONTENT[start:]
        if fault == "another start":
            start, body = 7, CONTENT[7:]
        self.send_response(206 if asked and fault != "no ranges" else 200)
        more = {"lies": 1000, "lies short": -1000}.get(fault, 0)
        if fault != "no length":
            self.send_header("Content-Length", str(len(body) + more))
        if fault != "no tag":
            self.send_header("ETag", '"one"')
        if asked and fault != "no ranges":
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if fault in ("truncated", "stalls", "no tag"):
            self.wfile.write(body[: len(body) // 3])
            self.wfile.flush()
            time.sleep(1.5 if fault == "stalls" else 0)
        else:
            self.wfile.write(b"x" * len(body) if fault == "another file" else body)


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.faults, made.asked = [], []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def get(server, tmp_path):
    def got(expected=HASH, patience=QUICK):
        download(f"http://127.0.0.1:{server.server_port}/net.pkl", tmp_path / "net.pkl", expected, lock, patience)
        return (tmp_path / "net.pkl").read_bytes()

    lock = tmp_path / "lock.json"
    return got


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))


def test_a_file_comes_whole_and_leaves_nothing_beside_it(get, tmp_path):
    assert get() == CONTENT and left(tmp_path) == ["net.pkl"]


@pytest.mark.parametrize("fault", ["truncated", "stalls", "lies"])
def test_what_is_there_is_not_fetched_again(get, server, fault, capsys):
    server.faults = [fault]
    assert get() == CONTENT
    have = len(CONTENT) if fault == "lies" else len(CONTENT) // 3
    assert server.asked == [None, f"bytes={have}-"]
    assert "trying again" in capsys.readouterr().err


FAULTS = [["truncated", "no ranges"], ["no tag"], ["truncated", "another start"], [500, 503, 429]]


@pytest.mark.parametrize("faults", FAULTS)
def test_servers_that_cannot_go_on_start_again(get, server, faults):
    server.faults = list(faults)
    assert get() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_asked_again(get, server, status, tmp_path):
    server.faults = [status]
    with pytest.raises(OnemaskError, match=rf"net.pkl: the server says {status} .*; check the address"):
        get()
    assert len(server.asked) == 1 and left(tmp_path) == []


def test_after_the_last_try_the_part_stays_and_the_next_call_goes_on(get, server, tmp_path):
    server.faults = ["truncated", 500, 500, 500]
    with pytest.raises(OnemaskError, match=r"failed 4 times .*500.*; run it again to go on from 100000 bytes"):
        get()
    assert left(tmp_path) == ["net.pkl.part", "net.pkl.part.tag"]
    assert get() == CONTENT and server.asked[-1] == "bytes=100000-"


def test_a_part_that_is_longer_than_the_file_is_given_up(get, server, tmp_path):
    (tmp_path / "net.pkl.part").write_bytes(CONTENT + b"more")
    (tmp_path / "net.pkl.part.tag").write_text('"one"')
    assert get() == CONTENT


def test_another_hash_keeps_nothing(get, server, tmp_path):
    server.faults = ["another file"]
    with pytest.raises(OnemaskError, match=rf"sha256 is \w+, the study says {HASH}; deleted"):
        get()
    assert left(tmp_path) == []


def test_trust_on_first_use(get, server, tmp_path, capsys):
    assert get(None) == CONTENT
    assert "trusted on first use" in capsys.readouterr().err
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert list(lock.values()) == [HASH]
    server.faults = ["another file"]
    with pytest.raises(OnemaskError, match="lock.json says"):
        get(None)
    assert get(None) == CONTENT and "trusted" not in capsys.readouterr().err


def test_a_file_of_unknown_length_is_not_trusted_on_first_use(get, server, tmp_path):
    server.faults = ["no length"] * 3
    with pytest.raises(OnemaskError, match="neither its length nor its sha256 is known"):
        get(None)
    assert not (tmp_path / "lock.json").exists() and get() == CONTENT  # its hash tells


def test_a_length_that_is_too_short_is_found_by_the_hash(get, server, tmp_path):
    server.faults = ["lies short"]
    with pytest.raises(OnemaskError, match=rf"sha256 is \w+, the study says {HASH}; deleted$"):
        get()
    server.faults = ["lies short"]
    with open(tmp_path / "lock.json", "w") as lock:
        json.dump({f"http://127.0.0.1:{server.server_port}/net.pkl": HASH}, lock)
    with pytest.raises(OnemaskError, match="was the first one wrong. delete its line from .*lock.json"):
        get(None)


def test_a_disk_that_is_too_small_is_said_before_a_byte_is_written(get, tmp_path, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=module.SPARE + 1000))
    with pytest.raises(OnemaskError, match="300,000 bytes do not fit on the disk"):
        get()
    assert not (tmp_path / "net.pkl.part").exists()


@pytest.mark.parametrize("url", ["net.pkl", "http://127.0.0.1:1/net.pkl", "gopher://x/y"])
def test_an_address_that_leads_nowhere(url, tmp_path):
    with pytest.raises(OnemaskError, match="^[^\n]+$"):
        download(url, tmp_path / "net.pkl", None, tmp_path / "lock.json", Patience(0.2, 2, 0.01))
