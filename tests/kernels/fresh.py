"""Random inputs that differ from run to run. A failing test prints the seed; ONEMASK_TEST_SEED repeats its inputs."""

import os
import secrets

import torch

SEED = int(os.environ.get("ONEMASK_TEST_SEED") or secrets.randbelow(1 << 31))


def fresh(number: int) -> torch.Generator:
    """One of the run's generators."""
    print(f"ONEMASK_TEST_SEED={SEED}")
    return torch.Generator().manual_seed(SEED + number)
