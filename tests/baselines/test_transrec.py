"""TransRec against the paper's formulas, written as loops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from embrec import Callback, CheckpointError, Whole
from embrec.baselines import TransRecRecommender
from embrec.baselines.transrec import TranslationEncoder
from embrec.components import BPR, Adam, EarlyStopping, ItemPoints, SampledNegatives
from embrec.data.ragged import Ragged
from embrec.network.packing import pack
from embrec.network.transrec import TransRecNetwork
from embrec.training import Objective
from embrec.training.negatives import NegativeSampler

SMALL = {"embedding_dim": 5, "max_epochs": 3, "early_stopping": False, "random_state": 0}


def as_log(sequences):
    rows = [(u, i, t) for u, items in sequences.items() for t, i in enumerate(items)]
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


LOG = as_log({"ann": "abca", "bob": "bdc", "cid": "ca", "dot": "d"})


def naive_score(weights, before, user, after):
    """b_j - |γ_i + t + t_u - γ_j|²."""
    points = weights["items.id_vectors.weight"]
    where = points[before] + weights["encoder.translation"]
    if user is not None:
        where = where + weights["encoder.user_vectors.weight"][user]
    return weights["items.id_biases.weight"][after, 0] - np.sum((where - points[after]) ** 2)


@pytest.mark.parametrize("user", ["ann", "cid", "dot", "nobody"])
def test_scores_are_those_of_the_paper(user):
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)
    weights = {k: v.double().numpy() for k, v in model.network_.state_dict().items()}
    known = model.catalog_.ids.take(model._trained_items.rows).tolist()
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
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)
    of_list = model.recommend([["c", "b"], ["c", "b"]], k=4)[1]
    of_log = model.recommend(as_log({"ann": "cb", "nobody": "cb"}), k=4)[1]
    np.testing.assert_array_equal(of_list[1], of_log[1])
    assert not np.array_equal(of_list[0], of_log[0])


def test_after_nothing_the_bias_and_the_distance_from_0_count():
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)
    weights = {k: v.double().numpy() for k, v in model.network_.state_dict().items()}
    ids, scores = model.recommend([[]], k=4)
    known = model.catalog_.ids.take(model._trained_items.rows).tolist()
    rows = [known.index(i) for i in ids[0]]
    squares = (weights["items.id_vectors.weight"] ** 2).sum(1)
    expected = (weights["items.id_biases.weight"][:, 0] - squares)[rows]
    np.testing.assert_allclose(scores[0], expected, atol=1e-6)


def test_the_loss_and_its_gradient_are_those_of_the_paper():
    torch.manual_seed(0)
    items, encoder = ItemPoints(3)._build((), 6), TranslationEncoder()._build(3, 4)
    network = TransRecNetwork(items, encoder, 0.3).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    sequences = Ragged.from_lengths(np.array([0, 1, 2, 3, 4, 5, 1]), np.array([3, 4]))
    # whose the second is; of the first nothing is known
    sequences = replace(sequences, names=np.array([-1, 2]))
    batch = pack(sequences, with_targets=True, device=torch.device("cpu"))
    sampler = SampledNegatives(5, alpha=0.0)._build(np.ones(6))
    objective = Objective(BPR()._build(), sampler, [], torch.arange(6))
    found = objective(network, batch, np.random.RandomState(4))
    gradients = torch.autograd.grad(found, list(network.parameters()))

    negatives = NegativeSampler(np.ones(6), 5, 0.0).draw(np.random.RandomState(4)).rows.tolist()
    points, biases = items.id_vectors.weight, items.id_biases.weight[:, 0]
    losses, squares = [], []
    for sequence, user in ((sequences[0], None), (sequences[1], 2)):
        step = encoder.translation
        own = 0.0
        if user is not None:
            own = encoder.user_vectors.weight[user]
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
                + encoder.translation.square().sum()
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
        8, l2=0.01, optimizer=Adam(0.02), max_epochs=40, early_stopping=False, random_state=0
    ).fit(log)
    ids, _ = model.recommend(history, k=8)
    kinds = np.array([["ab".index(i[0]) for i in row] for row in ids.astype(str)])
    own = np.arange(60) % 2
    assert (kinds == own[:, None]).mean() > 0.9
    of_nobody = model.recommend([["hub"]] * 60, k=8)[0]
    assert len({tuple(row) for row in of_nobody.tolist()}) == 1


def test_points_stay_in_the_unit_ball():
    settings = {**SMALL, "max_epochs": 60, "optimizer": Adam(0.5), "l2": 0.0}
    log = as_log({u: np.random.default_rng(u).permutation(list("abcdefgh"))[:4] for u in range(9)})
    model = TransRecRecommender(**settings).fit(log)
    norms = model.network_.items.id_vectors.weight.detach().norm(dim=1)
    assert norms.max() <= 1 + 1e-6
    assert (norms > 1 - 1e-6).sum() > 1  # and it is the bound that keeps them there


def test_training_goes_on_with_new_users_and_items(tmp_path):
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)
    before = model.network_.encoder.user_vectors.weight.detach().clone()
    model.set_params(optimizer=Adam(1e-6))
    model.partial_fit(as_log({"eve": "ea", "ann": "be"}), items=pd.DataFrame({"item": ["e"]}))
    assert model._users.ids.tolist() == ["ann", "bob", "cid", "eve"]
    torch.testing.assert_close(
        model.network_.encoder.user_vectors.weight[:3], before, atol=1e-4, rtol=0
    )
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


@pytest.mark.filterwarnings("ignore::embrec.RepeatedEventsWarning")
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
    assert model.network_.encoder.n_users == model._size.n_users == 0
    scores = model.recommend(as_log({"ann": "ab"}), k=2)[1]
    np.testing.assert_array_equal(scores, model.recommend([list("ab")], k=2)[1])
    model.partial_fit(LOG)
    assert model._users.ids.tolist() == ["ann", "bob", "cid"]


@pytest.mark.parametrize("name", ["embedding_dim", "n_negatives", "l2"])
def test_bad_parameters(name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of TransRecRecommender"):
        TransRecRecommender(**{name: -1}).fit(LOG)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": Adam(-1)}, "The 'learning_rate' parameter of Adam"),
        ({"optimizer": "sgd"}, "optimizer must be 'adam', 'adagrad' or an? Optimizer; got 'sgd'"),
        ({"early_stopping": EarlyStopping(patience=0)}, "The 'patience' parameter of EarlyStop"),
    ],
    ids=str,
)
def test_bad_parts(changes, message):
    with pytest.raises(ValueError, match=message):
        TransRecRecommender(**changes).fit(LOG)


def test_names_that_are_no_parameters_are_answered():
    with pytest.raises(TypeError, match="no parameter 'n_negative'. Did you mean 'n_negatives'"):
        TransRecRecommender(n_negative=3)
    for name in ("learning_rate", "patience"):
        with pytest.raises(TypeError, match=f"no parameter '{name}' since embrec 0.2. Write "):
            TransRecRecommender(**{name: 1})


# ---- what the engine gives it


@pytest.mark.parametrize("named", [True, False])
def test_sessions_answer_as_recommend_does(named, tmp_path):
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)

    def histories(**more):
        of_users = {"ann": "cb", "nobody": "cb", "bob": "a"}
        whole = {u: items + more.get(u, "") for u, items in of_users.items()}
        return as_log(whole) if named else [list(items) for items in whole.values()]

    def check(sessions, expected):
        ids, scores = sessions.recommend(4)
        np.testing.assert_array_equal(ids, expected[0])
        np.testing.assert_allclose(scores, expected[1], atol=1e-5)

    batch = model.start_sessions(histories())
    check(batch, model.recommend(histories(), k=4))
    expected = model.recommend(histories(ann="d", nobody="d", bob="b"), k=4)
    check(batch.add(["d", "d", "b"]), expected)
    assert np.allclose(expected[1][0], expected[1][1]) != named  # ann goes her own way
    model.save(tmp_path / "model")
    again = TransRecRecommender.load(tmp_path / "model")
    check(again.resume_sessions(batch.to_bytes()), expected)
    session = again.resume_session(batch.to_bytes()[2])
    np.testing.assert_array_equal(session.recommend(4)[0], expected[0][2])


def test_a_session_of_a_visitor_who_has_touched_nothing():
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1)).fit(LOG)
    session = model.start_session()
    for history in ([], ["a"], ["a", "c"]):
        ids, scores = session.recommend(4)
        expected = model.recommend([history], k=4)
        np.testing.assert_array_equal(ids, expected[0][0])
        np.testing.assert_allclose(scores, expected[1][0], atol=1e-5)
        session.add("ac"[len(history)] if len(history) < 2 else "b")


def test_training_ends_sessions():
    model = TransRecRecommender(**SMALL).fit(LOG)
    session = model.start_session(["a"])
    data = session.to_bytes()
    model.partial_fit(LOG)
    with pytest.raises(RuntimeError, match="was trained since"):
        session.recommend()
    with pytest.raises(ValueError, match="belongs to another model"):
        model.resume_session(data)
    restarted = model.resume_session(data, restart=True)
    np.testing.assert_allclose(
        restarted.recommend(3)[1], model.recommend([["a"]], k=3)[1][0], atol=1e-5
    )


def test_a_warm_start_keeps_users_and_items():
    model = TransRecRecommender(**SMALL, optimizer=Adam(0.1), warm_start=True).fit(LOG)
    users = dict(zip(model._users.ids, model.network_.encoder.user_vectors.weight, strict=True))
    points = dict(
        zip(
            model.catalog_.ids.take(model._trained_items.rows),
            model.network_.items.id_vectors.weight,
            strict=True,
        )
    )
    model.set_params(optimizer=Adam(1e-6))
    model.fit(as_log({"eve": "ea", "cid": "cb"}), items=Whole(pd.DataFrame({"item": [*"ecba"]})))
    assert model._users.ids.tolist() == ["ann", "bob", "cid", "eve"]
    now = dict(zip(model._users.ids, model.network_.encoder.user_vectors.weight, strict=True))
    for name, vector in users.items():
        torch.testing.assert_close(now[name], vector, atol=1e-4, rtol=0)
    for place, row in enumerate(model._trained_items.rows):
        id_ = model.catalog_.ids.ids[row]
        if id_ in points:
            found = model.network_.items.id_vectors.weight[place]
            torch.testing.assert_close(found, points[id_], atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="embedding_dim was 5, is 4. Set them as they were"):
        model.set_params(embedding_dim=4).fit(LOG)


def test_what_is_replayed_is_known_and_not_counted():
    model = TransRecRecommender(**SMALL).fit(LOG)
    rows = model.catalog_.ids.rows(np.array([*"abcd"], object))
    before = model.training_counts(rows)
    model.partial_fit(as_log({"eve": "ab"}), replay=as_log({"fay": "cd"}))
    assert (model.training_counts(rows) - before).tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="1 item ids in replay are not in the catalogue"):
        model.partial_fit(LOG, replay=as_log({"ann": ["a", "nobody"]}))


def test_replayed_users_are_users():
    walks = [(user, item) for user in range(30) for item in ("a", "b", "c")]
    log = pd.DataFrame(walks, columns=["user", "item"])
    first, then = log[log["user"] < 20], log[log["user"] >= 20]
    model = TransRecRecommender(4, max_epochs=1, random_state=0).fit(first)
    model.partial_fit(then, replay=first.head(9))
    assert len(model._users) == model._size.n_users == 30


def test_a_session_knows_its_user_before_the_first_item():
    walks = [(user, item) for user in range(12) for item in ("abcd" if user % 2 else "dcba")]
    log = pd.DataFrame(walks, columns=["user", "item"])
    model = TransRecRecommender(
        4, max_epochs=3, early_stopping=False, optimizer=Adam(0.1), on_unknown="skip"
    ).fit(log)
    asked = pd.DataFrame({"user": [0, 1], "item": ["nothing"] * 2})
    batch = model.start_sessions(asked).add(["b", "b"])
    both = pd.DataFrame({"user": [0, 1], "item": ["b", "b"]})
    expected = model.recommend(both, k=3)
    np.testing.assert_allclose(batch.recommend(3)[1], expected[1], rtol=1e-5)
    assert not np.allclose(*expected[1])  # it matters who asks
