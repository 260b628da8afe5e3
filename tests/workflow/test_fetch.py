"""Fetching from the web as a rule does; what servers do wrong is in tests/test_download.py."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT, run_snakemake

from onemask.files import sha256

FILE = ROOT / "zoo/generators/face.safetensors"
TARGET = "resources/generators/demo/face.safetensors"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = FILE.read_bytes()
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def fetch(directory, url, checksum):
    source = f"{{source: url, file: null, url: '{url}', sha256: '{checksum}'}}"
    config = f"classes={{face: {{generator: {source}}}}}"
    return run_snakemake("--cores", "1", TARGET, "--config", config, directory=directory)


def test_what_the_server_sends_is_kept_when_its_checksum_is_right(tmp_path, server):
    assert fetch(tmp_path, f"{server}/file", sha256(FILE)).returncode == 0
    assert (tmp_path / TARGET).read_bytes() == FILE.read_bytes()


@pytest.mark.parametrize(
    ("path", "checksum", "message"),
    [
        ("file", "0" * 64, "the study says 0000"),
        ("missing", sha256(FILE), "the server says 404"),
    ],
)
def test_a_failure_is_one_line_that_names_the_url_and_leaves_nothing(tmp_path, server, path, checksum, message):
    run = fetch(tmp_path, f"{server}/{path}", checksum)
    assert run.returncode == 1 and "Traceback" not in run.stdout
    log = (tmp_path / "results/demo/logs/fetch_generator/face.log").read_text().strip().splitlines()[-1]
    assert log.startswith(f"error: {server}/{path}: ") and message in log
    assert not [path for path in (tmp_path / "resources").rglob("*") if path.is_file()]
