"""The swapped-prediction loss of SwAV (Eq. 2, 3), with its gradient in closed form, made while a block is in cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from onemask.kernels.backend import rows_of_block
from onemask.kernels.checks import check_finite, check_floating

SAFE = (1e-25, 1e25)  # sums of a row's exponentials that lost nothing to underflow or overflow


def swapped_prediction_loss(
    scores_s: Tensor,
    scores_t: Tensor,
    codes_s: Tensor,
    codes_t: Tensor,
    temperature: float,
    *,
    triton: bool = False,
) -> Tensor:
    """L = l(z_s, q_t) + l(z_t, q_s), l the cross-entropy of one view's codes with the other's prediction (Eq. 2, 3).

    scores [B, K] are the products z . c of two views of the same pixels, codes [B, K] their cluster assignments, rows
    summing to one. Returns the mean over pixels, in nats. Codes are targets: no gradient flows into them; the loss has
    first derivatives alone. The gradient is made along with the loss and is all the memory that is kept. `triton` makes
    both by onemask.kernels.fused.
    ValueError names an argument whose shape or type differs from scores_s, or that is not finite, and a temperature
    that is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: {temperature} is not positive")
    if scores_s.ndim != 2 or scores_s.numel() == 0:
        raise ValueError(f"scores_s: shape {tuple(scores_s.shape)}, expected [B, K] with a pixel and a prototype")
    for name, tensor in (("scores_t", scores_t), ("codes_s", codes_s), ("codes_t", codes_t)):
        if tensor.shape != scores_s.shape:
            raise ValueError(f"{name}: shape {tuple(tensor.shape)}, expected {tuple(scores_s.shape)} as of scores_s")
    given = {"scores_s": scores_s, "scores_t": scores_t, "codes_s": codes_s, "codes_t": codes_t}
    check_floating(**given)
    options = (temperature, triton)
    loss = _CrossEntropy.apply(scores_s, codes_t, *options) + _CrossEntropy.apply(scores_t, codes_s, *options)
    if not torch.isfinite(loss.detach()):
        check_finite(**given)
        raise ValueError(f"temperature: {temperature} is too small for these scores")
    return loss


class _CrossEntropy(torch.autograd.Function):
    """Eq. 3, mean over pixels."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, codes: Tensor, temperature: float, triton: bool) -> Tensor:
        if triton:
            from onemask.kernels.fused import cross_entropy_and_gradient as loss_and_gradient
        else:
            loss_and_gradient = cross_entropy_and_gradient
        loss, gradient = loss_and_gradient(scores.detach(), codes.detach(), temperature)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        # The usual factor is one, and a product would be one more matrix.
        return (gradient if grad_output == 1 else gradient * grad_output), None, None, None


def cross_entropy_and_gradient(scores: Tensor, codes: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Mean over pixels of l = sum_k q_k (log sum_j exp(s_j / T) - s_k / T), and its gradient [B, K].

    The gradient is (|q| softmax(s / T) - q) / (T B), |q| the sum of a pixel's code. Half precision is computed in
    single precision.
    """
    gradient = scores.new_empty(scores.shape)
    loss, safe = _fill_gradient(gradient, scores, codes, temperature, shifted=False)
    # The exponentials of cosines need no maximum taken off; if these did, all is done again.
    if not bool(safe):
        loss, _ = _fill_gradient(gradient, scores, codes, temperature, shifted=True)
    return loss.to(scores.dtype), gradient


def _fill_gradient(
    gradient: Tensor, scores: Tensor, codes: Tensor, temperature: float, shifted: bool
) -> tuple[Tensor, Tensor]:
    """The loss, and whether each row's exponentials have a safe sum. `shifted`: relative to the row's maximum."""
    count, exact = len(scores), torch.promote_types(scores.dtype, torch.float32)
    loss = torch.zeros((), dtype=exact, device=scores.device)
    safe = torch.ones_like(loss, dtype=torch.bool)
    rows = rows_of_block(scores.shape[1], scores.device)
    for s, q, out in zip(scores.split(rows), codes.split(rows), gradient.split(rows), strict=True):
        s, q = s.to(exact), q.to(exact)
        g = out if out.dtype == exact else torch.empty_like(s)
        if shifted:
            torch.add(s.amax(1, keepdim=True).div_(-temperature), s, alpha=1 / temperature, out=g)
        else:
            torch.mul(s, 1 / temperature, out=g)
        weight = q.sum(1, keepdim=True)
        loss -= torch.dot(q.flatten(), g.flatten())
        total = g.exp_().sum(1, keepdim=True)
        low, high = torch.aminmax(total)
        safe &= (low > SAFE[0]) & (high < SAFE[1])
        loss += torch.dot(weight.flatten(), total.log().flatten())
        g.mul_(weight / (total * (temperature * count))).sub_(q, alpha=1 / (temperature * count))
        if g is not out:
            out.copy_(g)
    return loss / count, safe
