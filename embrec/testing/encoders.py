"""What every encoder is held to."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import FeatureUnion
from torch import Tensor

from embrec.components import Encoder
from embrec.data.ragged import Ragged
from embrec.datasets import make_shop
from embrec.estimator import EmbRecEstimator
from embrec.featurizers import TfidfItemFeaturizer
from embrec.network import SequenceModule
from embrec.network.exportable import export_session_step
from embrec.network.items import TowerItems
from embrec.network.model import SequenceNetwork
from embrec.network.packing import Packing, pack
from embrec.testing.components import check_gradient, check_parameters, full_names

_WIDTH = 6
_LENGTHS = (5, 3, 3, 1)


def check_encoder(encoder: Encoder, sources: Sequence[str] = ("features",)) -> None:
    """Raise AssertionError unless an encoder does what training, sessions and export ask of it.

    Packed sequences, single steps, steps from a state that was put away, and the exported step must
    say the same; a sequence must not depend on its company nor on what comes later; an empty
    history must have an answer; gradients must be what differences of float64 say; parameters must
    survive clone and JSON; and an estimator with it must fit, keep sessions, save and load.

    Parameters
    ----------
    encoder : Encoder
        With the parameters to check; it stays as it is. Its class must stand at the top of a
        module, or saved models could not find it.
    sources : list of str, default=("features",)
        Names of the content sources that it is to tell apart: one, two, three or six.

    Examples
    --------
    >>> from embrec.components import GRUEncoder
    >>> from embrec.testing import check_encoder
    >>> check_encoder(GRUEncoder(8))
    """
    check_parameters(encoder, Encoder)
    module = _built(encoder, sources)
    _check_shapes(module)
    _check_company(module)
    _check_order(module)
    if module.state_size:
        _check_steps(module)
        _check_export(module)
    _check_gradients(_built(encoder, sources).double())
    _check_estimator(encoder, sources)


def _same(found: Tensor, expected: Tensor, rule: str, atol: float = 1e-5) -> None:
    """Raise AssertionError that names the rule unless two tensors are alike."""
    try:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=atol)
    except AssertionError as error:
        raise AssertionError(f"{rule}: {error}") from None


def _built(encoder: Encoder, sources: Sequence[str]) -> SequenceModule:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        module = encoder._build_for(_WIDTH, sources)
    assert isinstance(module, SequenceModule), (
        f"_build must return a SequenceModule; got {type(module).__name__}"
    )
    return module.eval()


def _sequences() -> tuple[Tensor, Packing, list[Tensor]]:
    """Random embeddings, packed, and one by one."""
    generator = torch.Generator().manual_seed(1)
    rows = Ragged.from_lengths(np.arange(sum(_LENGTHS)), np.array(_LENGTHS))
    vectors = torch.randn(sum(_LENGTHS), _WIDTH, generator=generator)
    batch = pack(rows, with_targets=False, device=torch.device("cpu"))
    parts = [vectors[start:stop] for start, stop in pairwise(rows.offsets.tolist())]
    return vectors[batch.rows], batch.packing, parts


def _alone(module: SequenceModule, sequence: Tensor) -> Tensor:
    found: Tensor = module(sequence, Packing(torch.ones(len(sequence), dtype=torch.int64)))
    return found


@torch.no_grad()
def _check_shapes(module: SequenceModule) -> None:
    x, packed, _ = _sequences()
    first = module.initial_state(3)
    assert first.shape == (3, module.state_size), "initial_state(n) must be (n, state_size)"
    assert module(x, packed).shape == x.shape, "forward must return one embedding per step"
    before = module.read(first)
    assert before.shape == (3, _WIDTH), "read must return one embedding per state"
    assert bool(torch.isfinite(before).all()), "an empty history must have an answer"
    assert bool((before == before[0]).all()), "all visitors start alike"


@torch.no_grad()
def _check_company(module: SequenceModule) -> None:
    x, packed, sequences = _sequences()
    together = module(x, packed)
    _same(module(x, packed), together, "forward must not drop anything out in evaluation mode")
    for lane, sequence in enumerate(sequences):
        mine = together[packed.lanes == lane]
        rule = "what forward says of a sequence must not depend on those beside it"
        _same(mine, _alone(module, sequence), rule)


@torch.no_grad()
def _check_order(module: SequenceModule) -> None:
    sequence = _sequences()[2][0]
    changed = sequence.clone()
    changed[-1] += 1
    rule = "what forward says after a step must not depend on later ones"
    _same(_alone(module, sequence)[:-1], _alone(module, changed)[:-1], rule, atol=1e-6)


@torch.no_grad()
def _check_steps(module: SequenceModule) -> None:
    x, packed, sequences = _sequences()
    final = module.final_state(x, packed)
    assert final.shape == (len(sequences), module.state_size)
    for lane, sequence in enumerate(sequences):
        expected, state = _alone(module, sequence), module.initial_state(1)
        for step, (item, prediction) in enumerate(zip(sequence, expected, strict=True)):
            # put away between two clicks, as a session in a cache is
            state = torch.from_numpy(np.array(state.numpy(), dtype=np.float32))
            state = module.advance(state, item[None])
            rule = f"read after {step + 1} advance must be what forward says after step {step}"
            _same(module.read(state)[0], prediction, rule)
        _same(final[lane], state[0], "final_state must be the state after as many advance")
        last = module.read(final[lane : lane + 1])[0]
        _same(last, expected[-1], "read of final_state must be what forward says last")


def _check_export(module: SequenceModule) -> None:
    network = SequenceNetwork(TowerItems((3,), _WIDTH, 4), module).eval()
    step = export_session_step(network).module()
    states = network.initial_states(4).detach().clone()
    vectors = torch.randn(4, _WIDTH, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = network.advance(states, vectors)
        found = step(states, vectors)
        _same(found[0], expected, "the exported step must advance alike")
        _same(found[1], network.predict(expected), "the exported step must read alike")


def _check_gradients(module: SequenceModule) -> None:
    x, packed, _ = _sequences()
    x = x.double().requires_grad_()
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    parameters = [p for p in module.parameters() if p.requires_grad]
    check_gradient(lambda: (module(x, packed) * weights).sum(), [x, *parameters])


def _check_estimator(encoder: Encoder, sources: Sequence[str]) -> None:
    shop = make_shop(n_users=40, n_items=200, random_state=0)
    words = TfidfItemFeaturizer(columns=["title"])
    model = EmbRecEstimator(
        FeatureUnion([(source, words) for source in sources]),
        encoder=encoder,
        max_epochs=1,
        precision="float32",
        random_state=0,
    ).fit(shop.interactions, items=shop.items)
    ids = shop.items["item"].tolist()
    histories = [ids[:3], ids[5:6], []]
    expected = model.recommend(histories, 5)
    batch = model.start_sessions([[ids[0]], [], []])
    batch.add([ids[1], ids[5]], at=[0, 1]).add([ids[2]], at=[0])
    _check_same(batch.recommend(5), expected, "sessions")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        again = EmbRecEstimator.load(Path(folder) / "model", trusted=full_names(encoder))
    _check_same(again.recommend(histories, 5), expected, "a model that was saved and loaded")
    again.partial_fit(shop.interactions.head(100))


def _check_same(
    found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray], who: str
) -> None:
    assert (found[0] == expected[0]).all(), f"{who} recommends something else"
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-4)
