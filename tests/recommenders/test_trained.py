"""Parameters that reach training: losses, negatives, own vectors, schedules, warm starts."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from embrec import EmbRecEstimator, TfidfItemFeaturizer
from embrec.components import (
    Adam,
    BPRMax,
    FixedItems,
    GRUEncoder,
    IdEmbeddings,
    ItemBias,
    ItemTowers,
    SampledNegatives,
)
from embrec.model_selection import LeaveLastOut
from embrec.training import Callback, TrainedItems
from embrec.training.negatives import NegativeSampler

TITLES = TfidfItemFeaturizer(columns=["title"], ngram_range=(1, 1))
SMALL = {"item_model": ItemTowers(16, 16), "encoder": GRUEncoder(16), "batch_size": 8}
HISTORIES = [[f"{topic}-{i}"] for topic in ("photo", "desk", "trail") for i in range(5)]
FOLLOWING = [f"{h[0][:-1]}{(int(h[0][-1]) + 1) % 5}" for h in HISTORIES]


def make(**changes):
    parameters = {"featurizer": TITLES, "max_epochs": 4, "random_state": 0, **SMALL, **changes}
    return EmbRecEstimator(**parameters)


def weights_of(model):
    return {name: values.numpy() for name, values in model.network_.state_dict().items()}


def assert_same_weights(one, two):
    ours, theirs = weights_of(one), weights_of(two)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


# ---- losses


@pytest.mark.parametrize(
    ("loss", "rate"),
    [
        ("cross_entropy", 0.02),
        ("bpr", 0.04),
        (BPRMax(0.1), 0.02),
        ("smooth_ndcg", 0.02),
        ("cosine", 0.02),
    ],
    ids=str,
)
@pytest.mark.parametrize("negatives", ["all", SampledNegatives(8, alpha=0.5)], ids=str)
def test_every_loss_learns_what_follows_what(loss, rate, negatives, shop_log, shop_items):
    if loss == "cosine" and negatives != "all":
        pytest.skip("it has no negatives")
    model = make(
        loss=loss,
        negatives=negatives,
        optimizer=Adam(rate),
        max_epochs=20,
        early_stopping=False,
        item_model=FixedItems(16) if loss == "cosine" else ItemTowers(16, 48),
    ).fit(shop_log, items=shop_items)
    ranks = model.rank_targets(HISTORIES, FOLLOWING).ranks
    assert np.mean(ranks < 3) > 0.8  # by chance 0.2


def test_cosine_scores_are_cosines(shop_log, shop_items):
    model = make(loss="cosine", item_model=None).fit(shop_log, items=shop_items)
    _, scores = model.recommend(HISTORIES, k=15, exclude_seen=False)
    assert (np.abs(scores) <= 1 + 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(model.transform(HISTORIES), axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(model.index_.vectors, axis=1), 1, rtol=1e-5)
    assert not [name for name, _ in model.network_.named_parameters() if "tower" in name]


def test_cosine_keeps_the_angles_between_features(shop_log, shop_items):
    """Fewer features than dimensions: the embeddings are the features, normalised."""
    model = make(loss="cosine", item_model=FixedItems(64)).fit(shop_log, items=shop_items)
    features = model.catalog_.blocks[0].toarray()
    np.testing.assert_allclose(
        model.index_.vectors @ model.index_.vectors.T, features @ features.T, atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"negatives": 5}, r"has no negatives; got negatives=SampledNegatives\(n=5\)"),
        (
            {"item_model": ItemTowers(ids=IdEmbeddings())},
            r"learns nothing of the items; got item_model=ItemTowers\(ids=IdEmbeddings\(\)\)",
        ),
        (
            {"item_model": ItemTowers(bias=True)},
            r"learns nothing of the items; got item_model=ItemTowers\(bias=ItemBias\(\)\)",
        ),
        ({"precision": "bfloat16"}, "makes no scores, so precision and score_memory say nothing"),
        ({"score_memory": 8}, "makes no scores, so precision and score_memory say nothing"),
    ],
)
def test_cosine_contradicts(changes, message, shop_log, shop_items):
    parameters = {"loss": "cosine", "item_model": None, **changes}
    with pytest.raises(ValueError, match=rf"CosineDistance\(\) {message}"):
        make(**parameters).fit(shop_log, items=shop_items)


@pytest.mark.parametrize("loss", ["bpr", BPRMax(), "cosine"], ids=str)
@pytest.mark.parametrize("logq", [True, False])
def test_what_only_cross_entropy_makes_use_of(loss, logq, shop_log, shop_items):
    model = make(loss=loss, item_model=None, negatives=SampledNegatives(5, logq=logq))
    message = "has no negatives" if loss == "cosine" else "does not correct for how negatives are"
    with pytest.raises(ValueError, match=message):
        model.fit(shop_log, items=shop_items)


def test_fixed_items_are_for_the_cosine_loss(shop_log, shop_items):
    with pytest.raises(ValueError, match=r"FixedItems\(\) learns nothing.*CrossEntropy\(\), which"):
        make(item_model=FixedItems()).fit(shop_log, items=shop_items)


def test_precisions_agree_about_what_is_learned(shop_log, shop_items):
    models = [
        make(
            precision=p,
            max_epochs=20,
            optimizer=Adam(0.02),
            item_model=ItemTowers(16, 48),
            early_stopping=False,
        )
        for p in ("float32", "bfloat16")
    ]
    exact, rounded = (model.fit(shop_log, items=shop_items) for model in models)
    assert exact.fingerprint_ != rounded.fingerprint_
    ours, theirs = ([p.dtype for p in m.network_.parameters()] for m in (exact, rounded))
    assert ours == theirs
    for model in (exact, rounded):
        assert model.rank_targets(HISTORIES, FOLLOWING).ranks.max() == 0


def test_memory_of_scores_changes_nothing_but_rounding(shop_log, shop_items):
    one, two = (
        make(score_memory=m, precision="float32").fit(shop_log, items=shop_items) for m in (1, 64)
    )
    np.testing.assert_allclose(one.index_.vectors, two.index_.vectors, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{"negatives": 6}, {"negatives": 6, "item_model": ItemTowers(16, 16, ids=IdEmbeddings())}],
    ids=str,
)
def test_sampling_is_repeatable(changes, shop_log, shop_items):
    one, two, other = (
        make(random_state=seed, **changes).fit(shop_log, items=shop_items) for seed in (0, 0, 1)
    )
    assert_same_weights(one, two)
    assert one.fingerprint_ != other.fingerprint_


def test_grid_over_losses_and_negatives(shop_log, shop_items):
    grid = {"loss": ["cross_entropy", "bpr"], "negatives": ["all", 4]}
    search = GridSearchCV(make(max_epochs=1), grid, cv=LeaveLastOut(), error_score="raise")
    search.fit(shop_log, items=shop_items)
    assert len(search.cv_results_["params"]) == 4


# ---- vectors and biases of the items' own


@pytest.fixture(scope="module")
def hybrid(shop_log, shop_items):
    """Learned on all items but the last of each topic; do not change it."""
    towers = ItemTowers(16, 16, ids=IdEmbeddings(), bias=True)
    model = make(item_model=towers, optimizer=Adam(0.02), max_epochs=10)
    return model.fit(shop_log[~shop_log["item"].str.endswith("4")], items=shop_items)


def test_only_touched_items_have_vectors_of_their_own(hybrid, shop_items):
    touched = ~shop_items["item"].str.endswith("4").to_numpy()
    network = hybrid.network_
    assert len(network.items.id_vectors.weight) == touched.sum() == 12
    with torch.no_grad():
        features = hybrid.catalog_.blocks[0].toarray()
        plain = network.items.towers[0](torch.from_numpy(features)).numpy()
    d = network.embedding_size
    same = np.isclose(hybrid.index_.vectors[:, :d], plain, atol=1e-6).all(axis=1)
    np.testing.assert_array_equal(same, ~touched)
    biases = hybrid.index_.vectors[:, d]
    np.testing.assert_allclose(biases[~touched], biases[touched].mean(), rtol=1e-4)
    assert biases[touched].std() > 0.01


def test_a_cold_twin_has_the_content_and_not_the_id_of_its_like(hybrid, shop_items):
    model = copy.deepcopy(hybrid)
    twin = shop_items.query("item == 'photo-0'").assign(item="photo-twin")
    model.add_items(twin)
    network, d = model.network_, model.network_.embedding_size
    place = hybrid._trained_items.places(np.array([0]))[0]
    known = network.items.id_vectors
    own = (known.weight[place] * known.trust[place]).detach().numpy()
    assert np.abs(own).max() > 0.01
    vectors = model.item_embeddings(["photo-0", "photo-twin"])
    assert vectors.shape == (2, d)
    np.testing.assert_allclose(vectors[0] - vectors[1], own, atol=1e-5)
    # what is updated keeps its own vector
    model.update_items(shop_items.query("item == 'photo-0'"))
    np.testing.assert_allclose(model.item_embeddings(["photo-0"])[0], vectors[0], atol=1e-6)


def test_vectors_of_their_own_survive_saving_and_pickling(hybrid, tmp_path):
    hybrid.save(tmp_path / "model")
    expected = hybrid.recommend(HISTORIES, k=5)
    for again in (EmbRecEstimator.load(tmp_path / "model"), pickle.loads(pickle.dumps(hybrid))):
        found = again.recommend(HISTORIES, k=5)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        assert again.fingerprint_ == hybrid.fingerprint_
        again.partial_fit([["photo-0", "photo-4"], ["desk-1", "desk-4"]])
        assert again._size.n_ids == len(again.network_.items.id_vectors.weight) == 14


def test_biases_go_into_scores_and_not_into_likeness(hybrid):
    d = hybrid.network_.embedding_size
    ids, scores = hybrid.similar_items(["photo-0"], k=14)
    vectors = hybrid.index_.vectors[:, :d]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = hybrid.catalog_.ids.rows(ids[0])
    np.testing.assert_allclose(scores[0], unit[rows] @ unit[0], atol=1e-5)
    assert hybrid.transform([["photo-0"]]).shape == (1, d)
    session = hybrid.start_session(["photo-0", "photo-1"])
    for ours, theirs in zip(
        session.recommend(5), hybrid.recommend([["photo-0", "photo-1"]], 5), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs[0])


def test_own_vectors_keep_their_bound(shop_log, shop_items):
    towers = ItemTowers(16, 16, ids=IdEmbeddings(bound=0.2))
    model = make(item_model=towers, optimizer=Adam(0.05)).fit(shop_log, items=shop_items)
    norms = model.network_.items.id_vectors.weight.norm(dim=1)
    assert 0.1 < norms.max() <= 0.2 + 1e-6


def test_trained_items_keep_their_places():
    first = TrainedItems.none().and_those_of(np.array([0, 3, 0, 2]))
    assert first.rows.tolist() == [1, 3]
    then = first.and_those_of(np.array([4, 1, 0, 0, 5]), also=np.array([2, 1]))
    assert then.rows.tolist() == [1, 3, 0, 2, 4]
    assert then.counts.tolist() == [4, 2, 4, 0, 5]
    assert then.places(np.array([4, 1, -1, 99, 2])).tolist() == [4, 0, -1, -1, 3]
    assert TrainedItems.none().places(np.array([0])).tolist() == [-1]


# ---- going on


def test_partial_fit_forgets_less_of_what_is_replayed(shop_log, shop_items):
    """Learn one way round, go on with the other way round, and ask for the first."""
    towers = ItemTowers(16, 48)
    model = make(max_epochs=40, optimizer=Adam(0.01), item_model=towers, early_stopping=False).fit(
        shop_log, items=shop_items
    )
    desk = [[f"desk-{(i + n) % 5}" for n in (3, 2, 1, 0)] for i in range(5)] * 4
    past = shop_log[shop_log["item"].str.startswith(("photo", "trail"))]
    old = [i for i, h in enumerate(HISTORIES) if not h[0].startswith("desk")]
    ranks = {}
    for name, replay in (("alone", None), ("replayed", past)):
        again = copy.deepcopy(model)
        for _ in range(8):
            again.partial_fit(desk, replay=replay)
        found = again.rank_targets(HISTORIES, FOLLOWING).ranks
        ranks[name] = found[old].mean()
        assert found[5:10].mean() > 0  # desk goes the other way now
    assert ranks["replayed"] < 0.1
    assert ranks["alone"] > ranks["replayed"]


def test_replayed_items_are_known_and_not_counted(shop_items):
    model = make(max_epochs=1, item_model=ItemTowers(16, 16, ids=IdEmbeddings()))
    model.fit([["photo-0", "photo-1"]] * 9, items=shop_items)
    counts = model._trained_items.counts.sum()
    model.partial_fit([["desk-0", "desk-1"]], replay=[["trail-0", "trail-1", "photo-0"]])
    assert model._trained_items.counts.sum() == counts + 2
    assert model._size.n_ids == len(model.network_.items.id_vectors.weight) == 6


def test_the_first_call_has_nothing_to_replay(shop_log, shop_items):
    with pytest.raises(ValueError, match="no past to replay"):
        make().partial_fit(shop_log, items=shop_items, replay=shop_log)


def test_replay_is_checked_before_anything_changes(shop_log, shop_items):
    model = make(max_epochs=1).fit(shop_log, items=shop_items)
    before = model.fingerprint_
    with pytest.raises(ValueError, match="1 item ids in replay are not in the catalogue"):
        model.partial_fit(shop_log, replay=[["photo-0", "nothing"]])
    assert model.fingerprint_ == before


def test_a_warm_start_goes_on(shop_log, shop_items):
    cold = make(max_epochs=5, early_stopping=False, optimizer=Adam(0.03))
    cold.fit(shop_log, items=shop_items)
    warm = clone(cold).set_params(warm_start=True).fit(shop_log, items=shop_items)
    assert_same_weights(cold, warm)
    first, last = (cold.training_log_[i]["loss"] for i in (0, -1))
    assert last < first - 0.1
    warm.fit(shop_log, items=shop_items)
    assert warm.training_log_[0]["loss"] < (first + last) / 2
    assert len(warm.training_log_) == 5
    fresh = clone(warm).set_params(warm_start=False)
    fresh.fit(shop_log, items=shop_items).fit(shop_log, items=shop_items)
    assert_same_weights(fresh, cold)


def test_a_warm_start_finds_its_items_in_another_catalogue(shop_log, shop_items):
    towers = ItemTowers(16, 16, ids=IdEmbeddings())
    model = make(item_model=towers, warm_start=True, optimizer=Adam(0.02))
    model.fit(shop_log, items=shop_items)
    own = {
        id_: model.network_.items.id_vectors.weight[place].detach().clone()
        for place, id_ in enumerate(shop_items["item"].iloc[model._trained_items.rows])
    }
    kept = shop_items.iloc[::-1].query("item != 'desk-3'")
    log = shop_log[shop_log["item"] != "desk-3"]
    model.set_params(optimizer=Adam(1e-12)).fit(log, items=kept)
    for place, row in enumerate(model._trained_items.rows):
        found = model.network_.items.id_vectors.weight[place].detach()
        torch.testing.assert_close(found, own[kept["item"].iloc[row]], atol=1e-6, rtol=0)


def test_a_warm_start_with_another_size_is_an_error(shop_log, shop_items):
    model = make(max_epochs=1, warm_start=True).fit(shop_log, items=shop_items)
    before = model.fingerprint_
    with pytest.raises(ValueError, match="encoder__hidden_size was 16, is 8. Set them as they"):
        model.set_params(encoder=GRUEncoder(8)).fit(shop_log, items=shop_items)
    assert model.fingerprint_ == before


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"loss": "cosine", "item_model": None}, "item_model was ItemTowers, is FixedItems"),
        (
            {"item_model": ItemTowers(16, 16, ids=IdEmbeddings())},
            r"item_model__ids was None, is IdEmbeddings\(\)",
        ),
        (
            {"item_model": ItemTowers(16, 16, bias=True)},
            r"item_model__bias was False, is ItemBias\(\)",
        ),
        ({"encoder": GRUEncoder(16, n_layers=2)}, "encoder__n_layers was 1, is 2"),
        (
            {"encoder": GRUEncoder(8), "item_model": ItemTowers(16, 9)},
            "item_model__tower_size was 16, is 9, encoder__hidden_size was 16, is 8",
        ),
    ],
    ids=str,
)
def test_partial_fit_does_not_overlook_that_another_network_is_asked_for(
    changes, what, shop_log, shop_items
):
    model = make(max_epochs=1).fit(shop_log, items=shop_items)
    before = model.fingerprint_
    with pytest.raises(ValueError, match=f"ask for another one: {what}. Set them as"):
        model.set_params(**changes).partial_fit(shop_log)
    assert model.fingerprint_ == before


def test_a_log_that_is_fitted_again_counts_once(shop_log, shop_items):
    model = make(max_epochs=1, item_model=ItemTowers(16, 16, ids=IdEmbeddings()), warm_start=True)
    model.fit(shop_log, items=shop_items)
    counts = model._trained_items.counts.copy()
    model.fit(shop_log, items=shop_items)
    # which events validate is drawn anew, so counts differ by a few
    assert abs(model._trained_items.counts - counts).max() <= 3
    more = pd.concat([shop_log, shop_log.assign(user=shop_log["user"] + "x")])
    model.fit(more, items=shop_items)
    assert (model._trained_items.counts > 1.5 * counts).all()


def test_negatives_are_drawn_by_all_that_was_trained_on(shop_log, shop_items, monkeypatch):
    seen = []

    class Spy(NegativeSampler):
        def __init__(self, counts, *args, **more):
            seen.append(np.asarray(counts))
            super().__init__(counts, *args, **more)

    monkeypatch.setattr("embrec.training.negatives.NegativeSampler", Spy)
    model = make(max_epochs=1, negatives=4, early_stopping=False)
    model.fit(shop_log, items=shop_items)
    known = shop_items["item"].to_numpy()[model._trained_items.rows]
    expected = shop_log["item"].value_counts()[known].to_numpy(copy=True)
    np.testing.assert_array_equal(seen[0], expected)
    model.partial_fit([["desk-0", "desk-1"]] * 4, replay=shop_log)
    expected[np.isin(known, ["desk-0", "desk-1"])] += 4
    np.testing.assert_array_equal(seen[1], expected)


@pytest.mark.parametrize("way", ["warm start", "partial_fit"])
def test_going_on_takes_the_parameters_as_they_are_now(way, shop_log, shop_items):
    towers = ItemTowers(16, 16, ids=IdEmbeddings(), bias=ItemBias())
    model = make(
        max_epochs=1, warm_start=True, item_model=towers, encoder=GRUEncoder(16, n_layers=2)
    ).fit(shop_log, items=shop_items)
    ids = IdEmbeddings(dropout=0.1, bound=2.0, shrinkage=4.0)
    model.set_params(
        item_model=ItemTowers(16, 16, dropout=0.2, ids=ids, bias=ItemBias(5.0)),
        encoder=GRUEncoder(16, n_layers=2, dropout=0.7, input_dropout=0.0),
    )
    if way == "partial_fit":
        model.partial_fit(shop_log)
    else:
        model.fit(shop_log, items=shop_items)
    items, encoder = model.network_.items, model.network_.encoder
    assert (encoder.dropout, encoder.gru.dropout, encoder.input_dropout) == (0.7, 0.7, 0.0)
    assert items.towers[0].dropout == 0.2
    own = items.id_vectors
    assert (own.dropout, own.bound, own.shrinkage) == (0.1, 2.0, 4.0)
    assert items.id_biases.shrinkage == 5.0
    counts = torch.from_numpy(model._trained_items.counts)
    torch.testing.assert_close(own.trust, (counts / (counts + 4.0)).float())


# ---- schedules, callbacks


@pytest.mark.parametrize(
    "changes",
    [
        {"schedule": "cosine"},
        {"schedule": "linear", "warmup_steps": 5},
        {"weight_decay": 0.5},
        {"max_grad_norm": 0.01},
    ],
    ids=str,
)
def test_what_concerns_the_optimiser_reaches_it(changes, shop_log, shop_items):
    plain = make(max_epochs=2).fit(shop_log, items=shop_items)
    changed = make(max_epochs=2, optimizer=Adam(**changes)).fit(shop_log, items=shop_items)
    assert plain.fingerprint_ != changed.fingerprint_


class StopAfter(Callback):
    """Stops after some epochs."""

    def __init__(self, n):
        self.n = n

    def on_epoch_end(self, progress):
        return progress.epoch == self.n


class Prune(Callback):
    """Gives a trial up."""

    def on_epoch_end(self, progress):
        raise RuntimeError("pruned")


def test_callbacks_stop_a_fit(shop_log, shop_items):
    model = make(callbacks=[StopAfter(2)]).fit(shop_log, items=shop_items)
    assert len(model.training_log_) == 2
    assert len(clone(model).fit(shop_log, items=shop_items).training_log_) == 2


def test_a_trial_that_is_given_up_leaves_the_estimator_as_it_was(shop_log, shop_items):
    model = make(max_epochs=1).fit(shop_log, items=shop_items)
    before = model.fingerprint_
    with pytest.raises(RuntimeError, match="pruned"):
        model.set_params(callbacks=[Prune()]).fit(shop_log, items=shop_items)
    assert model.fingerprint_ == before
    with pytest.raises(RuntimeError, match="pruned"):
        model.partial_fit(shop_log)
    assert model.fingerprint_ == before


def test_what_is_no_callback_is_told_before_training(shop_log, shop_items):
    with pytest.raises(TypeError, match=r"must hold instances of embrec.Callback; got"):
        make(callbacks=[StopAfter]).fit(shop_log, items=shop_items)


# ---- what users get wrong


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"negatives": 0}, "The 'n' parameter of SampledNegatives"),
        ({"negatives": "20"}, "negatives must be 'auto', 'all', a number or a Negatives; got '20'"),
        ({"optimizer": Adam(0)}, "The 'learning_rate' parameter of Adam"),
        ({"optimizer": Adam(max_grad_norm=-1)}, "The 'max_grad_norm' parameter of Adam"),
        ({"loss": "mse"}, "loss must be .* or a Loss; got 'mse'"),
        ({"precision": "bf16"}, "The 'precision' parameter of EmbRecEstimator"),
        ({"batch_size": 0}, "The 'batch_size' parameter of EmbRecEstimator"),
        ({"callbacks": Callback()}, "The 'callbacks' parameter of EmbRecEstimator"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_partial_fit_checks_parameters_as_fit_does(changes, message, shop_log, shop_items):
    model = make(max_epochs=1).fit(shop_log, items=shop_items)
    before = model.fingerprint_
    model.set_params(**changes)
    with pytest.raises(ValueError, match=message) as partial:
        model.partial_fit(shop_log)
    with pytest.raises(ValueError) as whole:
        model.fit(shop_log, items=shop_items)
    assert str(partial.value) == str(whole.value)
    assert model.fingerprint_ == before


def test_true_is_no_number_of_negatives(shop_log, shop_items):
    with pytest.raises(
        TypeError, match="negatives must be 'auto', 'all', a number or a Negatives; got True"
    ):
        make(negatives=True).fit(shop_log, items=shop_items)


def test_partial_fit_needs_no_seed_for_checkpoints_it_does_not_write(
    shop_log, shop_items, tmp_path
):
    model = make(max_epochs=1).fit(shop_log, items=shop_items)
    model.set_params(checkpoint_dir=tmp_path / "run", random_state=None).partial_fit(shop_log)
    assert not (tmp_path / "run").exists()


class Adds(Callback):
    def __init__(self, value):
        self.value = value

    def on_epoch_end(self, progress):
        progress.record["rate"] = self.value


def test_callbacks_may_add_figures(shop_log, shop_items, tmp_path):
    model = make(max_epochs=1, callbacks=[Adds(np.float32(0.5))]).fit(shop_log, items=shop_items)
    model.save(tmp_path / "model")
    loaded = EmbRecEstimator.load(tmp_path / "model")
    assert loaded.training_log_[0]["rate"] == model.training_log_[0]["rate"] == 0.5


def test_what_callbacks_add_must_be_figures(shop_log, shop_items):
    model = make(max_epochs=1, callbacks=[Adds(np.ones(3))])
    with pytest.raises(TypeError, match="put ndarray under 'rate' into progress.record; expected"):
        model.fit(shop_log, items=shop_items)
    assert not hasattr(model, "network_")
