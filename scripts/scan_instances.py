"""Annotated scans with the case study's items: some of the training split, the others of the test split.

They are drawn at random: PIDRay's test split begins with its easy scans.
"""

import sys
from itertools import islice

import numpy as np

from onemask.data.pidray import TEST, TRAIN, read_pidray, readable
from onemask.downstream.instances import from_scans, write_instances
from onemask.errors import OnemaskError
from onemask.jobs import job

with job(snakemake):
    params = snakemake.params
    root = params.scans["root"] or snakemake.input[0]
    counts, size, skip_bad = params.counts, params.resolution, params.scans["skip_bad"]
    data = read_pidray(root, skip_bad, params.item_names)
    print(f"left out: {dict(data.left_out) or 'none'}", file=sys.stderr)
    rng = np.random.default_rng(params.seed)
    wanted = {TEST: counts["validation"] + counts["test"], TRAIN: counts["real"]}
    chosen = {}
    for split, scans in sorted(data.splits.items()):
        holding = [scan for scan in scans if any(name in params.item_names for name, _ in scan.items)]
        shuffled = [holding[index] for index in rng.permutation(len(holding))]
        chosen[split] = list(islice(readable(shuffled) if skip_bad else shuffled, wanted[split]))
        if len(chosen[split]) < wanted[split]:
            few = f"{split} has {len(chosen[split])} scans with an item, sdanet asks for {wanted[split]}"
            raise OnemaskError(f"{root}: {few}")
    parts = {
        "real": chosen[TRAIN],
        "validation": chosen[TEST][: counts["validation"]],
        "test": chosen[TEST][counts["validation"] :],
    }
    crop = params.scans["crop"] or size
    write_instances(
        snakemake.output[0], {name: from_scans(scans, params.item_names, crop, size) for name, scans in parts.items()}
    )
