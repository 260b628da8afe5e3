"""Annotated scans with the case study's items: some of the training split, the others of the test split.

They are drawn at random: PIDRay's test split begins with its easy scans.
"""

import numpy as np

from onemask.data.pidray import TEST, TRAIN, read_pidray
from onemask.downstream.instances import from_scans, write_instances
from onemask.errors import OnemaskError
from onemask.jobs import job

with job(snakemake):
    params = snakemake.params
    root = params.scans["root"] or snakemake.input[0]
    counts, size = params.counts, params.resolution
    data = read_pidray(root, params.scans["skip_bad"])
    rng = np.random.default_rng(params.seed)
    chosen = {}
    for split, scans in sorted(data.splits.items()):
        holding = [scan for scan in scans if any(name in params.item_names for name, _ in scan.items)]
        chosen[split] = [holding[index] for index in rng.permutation(len(holding))]
    unseen = counts["validation"] + counts["test"]
    for split, wanted in ((TRAIN, counts["real"]), (TEST, unseen)):
        if len(chosen[split]) < wanted:
            raise OnemaskError(f"{root}: {split} has {len(chosen[split])} scans with an item, sdanet asks for {wanted}")
    parts = {
        "real": chosen[TRAIN][: counts["real"]],
        "validation": chosen[TEST][: counts["validation"]],
        "test": chosen[TEST][counts["validation"] : unseen],
    }
    crop = params.scans["crop"] or size
    write_instances(
        snakemake.output[0], {name: from_scans(scans, params.item_names, crop, size) for name, scans in parts.items()}
    )
