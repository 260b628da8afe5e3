"""The loop: which weights are kept, and what is not finite."""

import pytest
import torch

from onemask.downstream.loop import Plan, Training, identity, train
from onemask.errors import OnemaskError


def run(scores, **changes):
    """A linear layer's weight after training on a constant gradient, with made-up validation scores; its curve."""
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1, bias=False)
    seen = []

    def validate():
        seen.append(network.weight.item())
        return {"iou": scores[len(seen) - 1]}

    plan = {
        "section": "downstream",
        "steps": 2 * len(scores),
        "evaluate_every": 2,
        "metric": "iou",
        "rate": lambda step: 0.1,
        "draw": lambda: torch.ones(1, 1),
        "loss_of": lambda batch: network(batch).sum(),
        "validate": validate,
    }
    training = Training(network, torch.optim.SGD(network.parameters(), 0.1))
    curve = train(training, Plan(**(plan | changes)), 0)
    return network.weight.item(), seen, curve


def test_the_best_weights_on_validation_are_kept_not_the_last():
    weight, seen, curve = run([0.2, 0.7, 0.4])
    assert weight == seen[1] and len(set(seen)) == 3
    assert [row["step"] for row in curve] == [2, 4, 6] and [row["iou"] for row in curve] == [0.2, 0.7, 0.4]


def test_of_equal_scores_the_later_one_s_weights_are_kept():
    weight, seen, _ = run([0.7, 0.7, 0.4])
    assert weight == seen[1]


def test_the_last_steps_are_validated_as_well():
    assert [row["step"] for row in run([0.1, 0.2], steps=3)[2]] == [2, 3]


def test_seed_and_step_of_a_loss_that_is_not_finite_are_named():
    with pytest.raises(OnemaskError, match=r"downstream: not finite at step 0 of seed 0; lower downstream\.learning_"):
        run([0.1], loss_of=lambda _: torch.tensor(torch.nan, requires_grad=True))


def test_another_array_is_another_training():
    network = torch.nn.Linear(1, 1)
    one, two = (torch.arange(n, dtype=torch.uint8).view(1, -1).numpy() for n in (3, 4))
    others = [one], [two], [one, two], [one.T], [one[:, :0]], [one > 1]
    assert len({identity(network, arrays, None, 0, "") for arrays in others}) == 6
