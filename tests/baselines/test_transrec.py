"""TransRec against the paper's formulas, written as loops."""

import numpy as np
import pandas as pd
import pytest
import torch

from embrec import Callback, CheckpointError
from embrec.baselines import TransRecRecommender
from embrec.baselines.transrec import TransRecObjective
from embrec.data.ragged import Ragged
from embrec.network.packing import pack
from embrec.network.transrec import TransRecNetwork, TransRecSize
from embrec.training import LossSettings
from embrec.training.negatives import NegativeSampler

SMALL = {"embedding_dim": 5, "max_epochs": 3, "early_stopping": False, "random_state": 0}


def as_log(sequences):
    rows = [(u, i, t) for u, items in sequences.items() for t, i in enumerate(items)]
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


LOG = as_log({"ann": "abca", "bob": "bdc", "cid": "ca", "dot": "d"})


def naive_score(weights, before, user, after):
    """b_j - |γ_i + t + t_u - γ_j|²."""
    points = weights["id_vectors.weight"]
    where = points[before] + weights["translation"]
    if user is not None:
        where = where + weights["user_vectors.weight"][user]
    return weights["id_biases.weight"][after, 0] - np.sum((where - points[after]) ** 2)


@pytest.mark.parametrize("user", ["ann", "cid", "dot", "nobody"])
def test_scores_are_those_of_the_paper(user):
    model = TransRecRecommender(**SMALL, learning_rate=0.1).fit(LOG)
    weights = {k: v.double().numpy() for k, v in model.network_.state_dict().items()}
    known = model.catalog_.ids.take(model._known.rows).tolist()
    users = model._users.ids.tolist()
    assert users == ["ann", "bob", "cid"]  # who has no next item teaches nothing
    ids, scores = model.recommend(as_log({user: "cb"}), k=4, exclude_seen=False)
    number = users.index(user) if user in users else None
    expected = [
        naive_score(weights, known.index("b"), number, known.index(after)) for after in ids[0]
    ]
    # up to what all items share
    np.testing.assert_allclose(np.diff(scores[0]), np.diff(expected), atol=1e-5)
    assert len(set(ids[0])) == 4


def test_a_list_of_sequences_names_nobody():
    model = TransRecRecommender(**SMALL, learning_rate=0.1).fit(LOG)
    of_list = model.recommend([["c", "b"], ["c", "b"]], k=4)[1]
    of_log = model.recommend(as_log({"ann": "cb", "nobody": "cb"}), k=4)[1]
    np.testing.assert_array_equal(of_list[1], of_log[1])
    assert not np.array_equal(of_list[0], of_log[0])


def test_after_nothing_the_bias_and_the_distance_from_0_count():
    model = TransRecRecommender(**SMALL, learning_rate=0.1).fit(LOG)
    weights = {k: v.double().numpy() for k, v in model.network_.state_dict().items()}
    ids, scores = model.recommend([[]], k=4)
    known = model.catalog_.ids.take(model._known.rows).tolist()
    rows = [known.index(i) for i in ids[0]]
    squares = (weights["id_vectors.weight"] ** 2).sum(1)
    expected = (weights["id_biases.weight"][:, 0] - squares)[rows]
    np.testing.assert_allclose(scores[0], expected, atol=1e-6)


def test_the_loss_and_its_gradient_are_those_of_the_paper():
    torch.manual_seed(0)
    network = TransRecNetwork(TransRecSize(6, 3, 4)).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    sequences = Ragged.from_lengths(np.array([0, 1, 2, 3, 4, 5, 1]), np.array([3, 4]))
    batch = pack(sequences, with_targets=True, device=torch.device("cpu"), numbers=np.array([7, 8]))
    of_sequence = np.full(9, -1)
    of_sequence[8] = 2  # whose the second is; of the first nothing is known
    settings = LossSettings("bpr", n_negatives=5, sample_alpha=0.0)
    objective = TransRecObjective(
        settings, [], torch.arange(6), np.ones(6), users=of_sequence, l2=0.3
    )
    found = objective(network, batch, np.random.RandomState(4))
    gradients = torch.autograd.grad(found, list(network.parameters()))

    negatives = NegativeSampler(np.ones(6), 5, 0.0).draw(np.random.RandomState(4)).rows.tolist()
    points, biases = network.id_vectors.weight, network.id_biases.weight[:, 0]
    losses, squares = [], []
    for sequence, user in ((sequences[0], None), (sequences[1], 2)):
        step = network.translation
        own = 0.0
        if user is not None:
            own = network.user_vectors.weight[user]
            step, own = step + own, own.square().sum()
        for i, j in zip(sequence[:-1].tolist(), sequence[1:].tolist(), strict=True):
            target = biases[j] - (points[i] + step - points[j]).square().sum()
            others = [
                biases[k] - (points[i] + step - points[k]).square().sum()
                for k in negatives
                if k != j
            ]
            losses.append(
                torch.stack([-torch.log(torch.sigmoid(target - o)) for o in others]).mean()
            )
            of_negatives = [points[k].square().sum() + biases[k] ** 2 for k in negatives]
            squares.append(
                points[i].square().sum()
                + points[j].square().sum()
                + biases[j] ** 2
                + torch.stack(of_negatives).mean()
                + network.translation.square().sum()
                + own
            )
    expected = torch.stack(losses).mean() + 0.3 * torch.stack(squares).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    wanted = torch.autograd.grad(expected, list(network.parameters()))
    for got, want in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_a_users_translation_tells_where_they_go():
    """From the hub half of the users go to one kind of item, half to another, and back."""
    rng = np.random.default_rng(0)
    visits = {
        f"u{u}": [step for i in rng.permutation(8)[:5] for step in ("hub", f"{'ab'[u % 2]}{i}")]
        for u in range(60)
    }
    log, history = as_log(visits), as_log({u: ["hub"] for u in visits})
    model = TransRecRecommender(
        8, l2=0.01, learning_rate=0.02, max_epochs=40, early_stopping=False, random_state=0
    ).fit(log)
    ids, _ = model.recommend(history, k=8)
    kinds = np.array([["ab".index(i[0]) for i in row] for row in ids.astype(str)])
    own = np.arange(60) % 2
    assert (kinds == own[:, None]).mean() > 0.9
    of_nobody = model.recommend([["hub"]] * 60, k=8)[0]
    assert len({tuple(row) for row in of_nobody.tolist()}) == 1


def test_points_stay_in_the_unit_ball():
    settings = {**SMALL, "max_epochs": 60, "learning_rate": 0.5, "l2": 0.0}
    log = as_log({u: np.random.default_rng(u).permutation(list("abcdefgh"))[:4] for u in range(9)})
    model = TransRecRecommender(**settings).fit(log)
    norms = model.network_.id_vectors.weight.detach().norm(dim=1)
    assert norms.max() <= 1 + 1e-6
    assert (norms > 1 - 1e-6).sum() > 1  # and it is the bound that keeps them there


def test_training_goes_on_with_new_users_and_items(tmp_path):
    model = TransRecRecommender(**SMALL, learning_rate=0.1).fit(LOG)
    before = model.network_.user_vectors.weight.detach().clone()
    model.set_params(learning_rate=1e-6)
    model.partial_fit(as_log({"eve": "ea", "ann": "be"}), items=pd.DataFrame({"item": ["e"]}))
    assert model._users.ids.tolist() == ["ann", "bob", "cid", "eve"]
    torch.testing.assert_close(model.network_.user_vectors.weight[:3], before, atol=1e-4, rtol=0)
    model.save(tmp_path / "model")
    again = TransRecRecommender.load(tmp_path / "model")
    X = as_log({"eve": "ab", "ann": "ab", "nobody": "ab"})
    np.testing.assert_array_equal(again.recommend(X, k=3)[1], model.recommend(X, k=3)[1])


def test_users_of_another_kind_are_an_error():
    model = TransRecRecommender(**SMALL).fit(LOG)
    with pytest.raises(TypeError, match="users of this log are integers.*training are strings"):
        model.recommend(as_log({1: "ab"}))
    steps = []

    class Count(Callback):
        def on_step_end(self, progress):
            steps.append(progress.step)

    with pytest.raises(TypeError, match="users of this log are integers"):
        TransRecRecommender(**SMALL, callbacks=[Count()]).fit(LOG, X_val=as_log({1: "ab"}))
    assert steps == []  # said before training


@pytest.mark.parametrize("change", ["l2", "users", "validation"])
def test_checkpoints_are_of_one_run(change, tmp_path):
    settings = {**SMALL, "early_stopping": True, "checkpoint_dir": tmp_path, "l2": 0.0}
    valid = as_log({"ann": "ab", "bob": "dc"})
    TransRecRecommender(**settings).fit(LOG, X_val=valid)
    log = LOG
    if change == "l2":
        settings["l2"] = 1.0
    elif change == "users":
        log = LOG.replace({"user": {"bob": "ann"}})
    else:
        valid = valid.replace({"user": {"ann": "cid"}})
    with pytest.raises(CheckpointError):
        TransRecRecommender(**settings).fit(log, X_val=valid)


def test_a_log_without_names_learns_one_step_for_all():
    model = TransRecRecommender(**SMALL).fit([list("abca"), list("bdc")])
    assert model.network_.size.n_users == 0
    scores = model.recommend(as_log({"ann": "ab"}), k=2)[1]
    np.testing.assert_array_equal(scores, model.recommend([list("ab")], k=2)[1])
    model.partial_fit(LOG)
    assert model._users.ids.tolist() == ["ann", "bob", "cid"]


@pytest.mark.parametrize("name", ["embedding_dim", "n_negatives", "l2", "learning_rate"])
def test_bad_parameters(name):
    with pytest.raises(ValueError, match=name):
        TransRecRecommender(**{name: -1}).fit(LOG)
