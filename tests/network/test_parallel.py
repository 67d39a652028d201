"""Encoders side by side: what each reads, keeps and says."""

import pytest
import torch

from embrec.components import GRUEncoder, SelfAttentionEncoder
from embrec.network.attention import SelfAttentionModule
from embrec.network.gru import GRUModule
from embrec.network.packing import Packing
from embrec.network.parallel import EnsembleModule, ParallelModule
from embrec.network.sequence import SequenceModule

WIDTH = 4
PACKED = Packing(torch.tensor([3, 2, 2, 1]))


class LastItem(SequenceModule):
    """Says the last item, without a state; its start is fixed."""

    state_size = 0

    def __init__(self):
        super().__init__()
        self.register_buffer("start", torch.ones(WIDTH))

    def forward(self, x, packed):
        return x

    def initial_state(self, n):
        return self.start.new_zeros(n, 0)

    def advance(self, state, x):
        return state

    def read(self, state):
        return self.start.expand(len(state), -1)


def gru(**options):
    return GRUEncoder(5, **options)._build(WIDTH)


def started(module):
    """With starts that are not 0, so that it shows which is read."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(parameter.numel()))
    return module.eval()


def pair():
    return [started(gru()), started(SelfAttentionEncoder(window=2)._build(WIDTH))]


def embeddings(n, width=2 * WIDTH):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(0))


CASES = {
    "parallel": (ParallelModule, 2 * WIDTH, lambda x: x.split(WIDTH, 1), torch.cat),
    "ensemble": (EnsembleModule, WIDTH, lambda x: [x, x], lambda two, _: (two[0] + two[1]) / 2),
}
each = pytest.mark.parametrize(("kind", "width", "cut", "join"), CASES.values(), ids=CASES)


@each
@torch.no_grad()
def test_the_whole_is_its_parts_side_by_side(kind, width, cut, join):
    parts = pair()
    module = kind(parts).eval()
    x, clicks = embeddings(8, width), embeddings(3, width)
    split = [part.state_size for part in parts]
    assert module.state_size == sum(split)

    def of_parts(method, *arguments):
        return [
            getattr(part, method)(*own)
            for part, own in zip(parts, zip(*arguments, strict=True), strict=True)
        ]

    twice = [PACKED, PACKED]
    found = module(x, PACKED)
    assert torch.equal(found, join(of_parts("forward", cut(x), twice), 1))
    last = module.predict_last(x, PACKED)
    assert torch.equal(last, join(of_parts("predict_last", cut(x), twice), 1))
    first = module.initial_state(3)
    assert torch.equal(first, torch.cat(of_parts("initial_state", [3, 3]), 1))
    final = module.final_state(x, PACKED)
    assert torch.equal(final, torch.cat(of_parts("final_state", cut(x), twice), 1))
    states = final.split(split, 1)
    moved = module.advance(final, clicks)
    assert torch.equal(moved, torch.cat(of_parts("advance", states, cut(clicks)), 1))
    assert torch.equal(module.read(final), join(of_parts("read", states), 1))
    torch.testing.assert_close(module.read(final), last)


def test_each_way_of_a_part_is_used(monkeypatch):
    """Attention predicts the last step without making a state."""
    module = ParallelModule(pair())
    monkeypatch.setattr(SelfAttentionModule, "final_state", None)
    assert module.predict_last(embeddings(8), PACKED).shape == (3, 2 * WIDTH)


@each
def test_a_part_without_a_state_makes_the_whole_read_anew(kind, width, cut, join):
    parts = [started(gru()), LastItem()]
    module = kind(parts).eval()
    assert module.state_size == 0
    x = embeddings(8, width)
    state = module.initial_state(3)
    assert state.shape == (3, 0)
    assert module.advance(state, embeddings(3, width)).shape == (3, 0)
    assert module.final_state(x, PACKED).shape == (3, 0)
    before = [part.read(part.initial_state(3)) for part in parts]
    assert torch.equal(module.read(state), join(before, 1))
    said = [part.predict_last(own, PACKED) for part, own in zip(parts, cut(x), strict=True)]
    assert torch.equal(module.predict_last(x, PACKED), join(said, 1))


@each
def test_what_comes_first_trains_the_starts_alone(kind, width, cut, join):
    parts = [started(gru(dropout=0.5)), LastItem()]
    module = kind(parts).train()
    first = module.read_first()
    torch.testing.assert_close(first, module.eval().read(module.initial_state(1)))
    first.square().sum().backward()
    got = {name for name, p in module.named_parameters() if p.grad is not None}
    assert got == {"parts.0.initial"}
    assert all(p.requires_grad for p in module.parameters())
    with torch.no_grad():
        torch.testing.assert_close(module.read_first(), first)


def test_a_start_that_is_fixed_drops_nothing_out_either():
    fixed = GRUModule(
        WIDTH, 5, 1, dropout=0.5, input_dropout=0.0, residual=True, learns_start=False
    )
    fixed.initial.fill_(1.0)
    module = ParallelModule([gru(), fixed]).train()
    first = module.read_first()
    torch.testing.assert_close(first, module.eval().read(module.initial_state(1)))
    first[:, WIDTH:].sum().backward()
    assert all(p.grad is None for p in fixed.parameters())


def test_reading_what_comes_first_leaves_modes_as_they_are():
    module = ParallelModule([gru(), LastItem()]).train()
    module.parts[1].eval()
    module.read_first()
    assert [part.training for part in module.parts] == [True, False]


def test_nothing_comes_first_if_no_start_is_trained():
    assert ParallelModule([LastItem(), LastItem()]).read_first() is None
    assert ParallelModule(pair()).requires_grad_(False).read_first() is None


def test_parts_drop_out_on_their_own():
    sure, unsure = gru(dropout=0.0, input_dropout=0.0), gru(dropout=0.9, input_dropout=0.0)
    module, x = ParallelModule([sure, unsure]).train(), embeddings(8)
    one, other = module(x, PACKED), module(x, PACKED)
    assert torch.equal(one[:, :WIDTH], other[:, :WIDTH])
    assert not torch.equal(one[:, WIDTH:], other[:, WIDTH:])
