"""Adam against torch's, and what a short job does not import."""

import subprocess
import sys

import torch

from onemask.optim import Adam


def test_adam_is_torch_s_to_the_bit():
    rng = torch.Generator().manual_seed(0)
    ours, theirs = ([torch.randn(3, 4, generator=rng.manual_seed(n)).requires_grad_() for n in (1, 2)] for _ in "ab")
    pairs = [(ours, Adam(ours, 0.01, (0.8, 0.99))), (theirs, torch.optim.Adam(theirs, 0.01, (0.8, 0.99), fused=True))]
    for weights, adam in pairs:
        for step in range(5):
            adam.zero_grad()
            (weights[0].sin() * weights[1] * (step + 1)).sum().backward()
            adam.step()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.equal(own, other)


def test_a_job_imports_no_compiler():
    script = """
import sys, torch
from onemask.clustering.lars import LARS
from onemask.jobs import set_up_torch
from onemask.optim import Adam
set_up_torch(1, "cpu")
for make in (lambda x: Adam([x], 0.1), lambda x: LARS([x], 0.1)):
    x = torch.ones(2, requires_grad=True)
    optimiser = make(x)
    x.square().sum().backward()
    optimiser.step()
print(*[name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
