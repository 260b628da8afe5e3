"""Seeds derived from the study's seed: the same job gets the same numbers whatever runs beside it."""

from __future__ import annotations

import hashlib

ANNOTATED_SEEDS = 2**48  # streams of an annotated set start below; clusterings draw from twice that on
SYNTHETIC_SEEDS = 2**40  # streams of a labelled data set start below: seeds that its records and JSON hold exactly


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the job called `names`, e.g. derive_seed(2303, "face", "swav").

    Hashing keeps jobs independent: neighbouring study seeds or names share no stream.
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
