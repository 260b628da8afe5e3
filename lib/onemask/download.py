"""Large files from the web: resumed, retried, checked, and trusted on first use where nobody publishes a hash."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import time
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from tqdm import tqdm

from onemask.errors import OnemaskError
from onemask.files import read_json, sha256, write_json, write_text

BLOCK = 1 << 20
SPARE = 64 << 20  # bytes that stay free on the disk
FOR_GOOD = range(400, 500)  # statuses that asking again does not change
BUT = (408, 425, 429)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a silent server, in seconds, how often to try, and the first pause, which then doubles."""

    timeout: float = 60.0
    tries: int = 5
    pause: float = 1.0


class Interrupted(Exception):
    """A connection that ended early, for whatever reason: the rest may be asked for."""


def download(
    url: str, target: Path, expected: str | None, lock: Path | None = None, patience: Patience = Patience()
) -> None:
    """Fetch `url` to `target`, whose sha256 must be `expected`; the part that is there already is not fetched again.

    Without `expected` it must be what `lock`, a json file of hashes by URL, holds; a URL that is not in it is trusted
    and its hash written there. OnemaskError names the URL: it is refused, too large for the disk, of another
    hash (nothing is kept), or failed on every try (the part is kept, and the next call goes on from there).
    """
    part = target.with_name(f"{target.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(patience.tries):
        try:
            _fetch(url, part, patience.timeout, whole=not (expected or _known(lock, url)))
            break
        except Interrupted as reason:
            if attempt + 1 == patience.tries:
                raise OnemaskError(
                    f"{url}: failed {patience.tries} times ({reason}); run it again to go on from {_size(part)} bytes"
                ) from None
            print(f"{url}: {reason}; trying again", file=sys.stderr)
            time.sleep(patience.pause * 2**attempt)
    _tag(part).unlink(missing_ok=True)
    found = sha256(part)
    wanted = expected or trusted(url, found, lock)
    if found != wanted:
        part.unlink()
        remedy = "" if expected else f"; was the first one wrong? delete its line from {lock}"
        says = f"{'the study' if expected else lock} says {wanted}"
        raise OnemaskError(f"{url}: sha256 is {found}, {says}; deleted{remedy}")
    os.replace(part, target)


def _known(lock: Path | None, url: str) -> str | None:
    """The hash that `lock` holds of a URL."""
    return read_json(lock).get(url) if lock and lock.is_file() else None


def trusted(url: str, found: str, lock: Path) -> str:
    """The hash that `lock` holds of a URL; `found`, once it is written there, where it holds none. Others wait."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock.with_name(f".{lock.name}.guard"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        known = read_json(lock) if lock.is_file() else {}
        if url not in known:
            write_json(lock, known | {url: found})
            print(f"{url}: sha256 {found}, trusted on first use and written to {lock}", file=sys.stderr)
        return known.get(url, found)


def _fetch(url: str, part: Path, timeout: float, whole: bool) -> None:
    """One request for what `part` lacks; Interrupted where it ended early.

    whole: no hash will tell whether all has come, so that the server must state the length.
    """
    have = _size(part)
    headers = {"User-Agent": "onemask"}
    tag = _tag(part).read_text("utf-8") if have and _tag(part).is_file() else ""
    if tag:  # without a validator a part could be continued with another file
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            resumed = answer.status == 206 and _start(answer.headers) == have
            if answer.status == 206 and not resumed:
                part.unlink()
                raise Interrupted("the server sent another part than the one asked for")
            if whole and "Content-Length" not in answer.headers:
                raise OnemaskError(f"{url}: neither its length nor its sha256 is known; state `sha256` in the study")
            write_text(_tag(part), _validator(answer.headers))
            _copy(url, answer, part, have if resumed else 0)
    except HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
            return  # killed before its hash was taken: all of it is there
        if error.code == 416:  # the file is shorter than the part
            part.unlink()
            raise Interrupted("what was there is no part of the file any more") from None
        if error.code in FOR_GOOD and error.code not in BUT:
            raise OnemaskError(f"{url}: the server says {error.code} {error.reason}; check the address") from None
        raise Interrupted(f"the server says {error.code} {error.reason}") from None
    except ValueError as error:
        raise OnemaskError(f"{url}: not an address ({error})") from None
    except (OSError, HTTPException) as error:
        raise Interrupted(f"{type(error).__name__}: {error}") from None


def _copy(url: str, answer, part: Path, start: int) -> None:
    """Append the answer's body to the first `start` bytes of `part`."""
    length = answer.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free - SPARE:
        raise OnemaskError(f"{url}: {total - start:,} bytes do not fit on the disk of {part.parent} ({free:,} free)")
    with (
        open(part, "r+b" if start else "wb") as file,
        tqdm(desc=part.stem, total=total, initial=start, unit="B", unit_scale=True, mininterval=1) as bar,
    ):
        file.seek(start)
        file.truncate()
        while block := answer.read1(BLOCK):  # what has come: read() would lose it when the rest does not
            file.write(block)
            bar.update(len(block))
    if total is not None and (got := _size(part)) != total:
        raise Interrupted(f"the connection ended at {got} of {total} bytes")


def _validator(headers: Message) -> str:
    """What tells this version of the file from others; a weak ETag does not."""
    tag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _start(headers: Message) -> int | None:
    """First byte of the part that was sent."""
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _tag(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
