"""DVC's round trip between two clones: push, clone, pull, `make touch`, and Snakemake has nothing to do. Extended.

The remotes are a folder, as `make dvc-remote` sets one up, and S3, played by moto's server (extra `oracle`).
"""

import os
import socket
import subprocess
import sys
import time

import pytest
from conftest import planned, run_snakemake
from test_dvc_run import TARGETS, commit, dvc, run, stubbed

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A clone of the workflow with stub scripts, run to its table through DVC."""
    root = stubbed(tmp_path_factory.mktemp("remotes"))
    dvc(root, "repro", "table2")
    commit(root, "made")
    return root


@pytest.fixture
def s3():
    """The URL of a bucket of moto's server."""
    pytest.importorskip("moto")
    pytest.importorskip("dvc_s3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stderr=subprocess.DEVNULL)
    os.environ |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
    import boto3

    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}")
    for _ in range(60):
        try:
            client.create_bucket(Bucket="onemask")
            break
        except Exception:  # not up yet
            time.sleep(0.5)
    yield f"http://127.0.0.1:{port}"
    server.kill()


def round_trip(first, tmp_path, *remote):
    """Push from `first`, clone it, pull, touch: the second clone has every file and nothing to do."""
    for arguments in remote:
        dvc(first, "remote", *arguments)
    dvc(first, "push", "--with-deps", "table2")
    second = tmp_path / "second"
    assert run(tmp_path, "git", "clone", "-q", str(first), str(second)).returncode == 0
    for arguments in remote:
        dvc(second, "remote", *arguments)
    dvc(second, "pull", "--with-deps", "table2")
    snakemake = f"SNAKEMAKE={sys.executable} -m snakemake --cores 1"
    touched = run(second, "make", "touch", "--assume-old", "README.md", "STAMP=README.md", snakemake)
    assert touched.returncode == 0, touched.stdout[-2000:] + touched.stderr[-2000:]
    assert not [target for target in TARGETS if not (second / target).is_file()]
    assert planned(run_snakemake("--dry-run", *TARGETS, root=second).stdout) == {}


def test_a_folder_is_a_remote(first, tmp_path):
    round_trip(first, tmp_path, ["add", "--local", "--default", "--force", "folder", str(tmp_path / "store")])


def test_s3_is_a_remote(first, tmp_path, s3):
    added = ["add", "--local", "--default", "--force", "bucket", "s3://onemask/store"]
    round_trip(first, tmp_path, added, ["modify", "--local", "bucket", "endpointurl", s3])
