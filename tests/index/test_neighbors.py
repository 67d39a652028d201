"""The indexes as scikit-learn's neighbours, against scikit-learn's own."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from embrec.index import AnnoyIndex, AutoIndex, ExactIndex, FaissIndex, HnswIndex, neighbors, rows
from embrec.index.hnsw import with_equal_lengths

ALL = [ExactIndex(), AnnoyIndex(), AutoIndex(), HnswIndex(), FaissIndex()]


@parametrize_with_checks(ALL)
def test_battery(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)) * rng.lognormal(0, 0.4, (300, 1))
    return vectors.astype(np.float32), rng.normal(size=(20, 8)).astype(np.float32)


def reference(metric, vectors, queries):
    if metric == "angular":
        return NearestNeighbors(metric="cosine").fit(vectors), queries
    longer = NearestNeighbors(metric="euclidean").fit(with_equal_lengths(vectors))
    return longer, np.pad(queries, ((0, 0), (0, 1)))


@pytest.mark.parametrize("metric", ["dot", "angular"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_neighbours(data, metric, kind):
    vectors, queries = data
    index = ExactIndex(metric=metric, n_neighbors=7).fit(kind(vectors))
    expected = reference(metric, vectors, queries)
    distances, rows = index.kneighbors(kind(queries))
    true_distances, true_rows = expected[0].kneighbors(expected[1], 7)
    np.testing.assert_array_equal(rows, true_rows)
    np.testing.assert_allclose(distances, true_distances, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(index.kneighbors(kind(queries), return_distance=False), rows)


def test_neighbours_of_its_own_vectors(data):
    vectors, _ = data
    index = ExactIndex(metric="angular").fit(vectors)
    expected = NearestNeighbors(metric="cosine").fit(vectors).kneighbors(n_neighbors=3)
    distances, rows = index.kneighbors(n_neighbors=3)
    np.testing.assert_array_equal(rows, expected[1])
    np.testing.assert_allclose(distances, expected[0], atol=1e-5)


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_graphs(data, mode):
    vectors, queries = data
    index = ExactIndex(metric="angular", mode=mode).fit(vectors)
    expected = KNeighborsTransformer(mode=mode, n_neighbors=10, metric="cosine").fit(vectors)
    graph = index.transform(queries)
    np.testing.assert_allclose(graph.toarray(), expected.transform(queries).toarray(), atol=1e-5)
    of_three = index.kneighbors_graph(queries, 3, mode=mode).toarray()
    reference = NearestNeighbors(metric="cosine").fit(vectors)
    np.testing.assert_allclose(
        of_three, reference.kneighbors_graph(queries, 3, mode=mode).toarray(), atol=1e-5
    )
    assert len(index.get_feature_names_out()) == graph.shape[1] == len(vectors)


def test_a_classifier_of_precomputed_neighbours(data):
    """As scikit-learn's guide has it for approximate neighbours."""
    vectors, queries = data
    labels = (vectors[:, 0] > 0).astype(int)
    ours = make_pipeline(
        AnnoyIndex(n_neighbors=9, metric="angular", random_state=0),
        KNeighborsClassifier(9, metric="precomputed"),
    ).fit(vectors, labels)
    theirs = KNeighborsClassifier(9, metric="cosine").fit(vectors, labels)
    np.testing.assert_array_equal(ours.predict(queries), theirs.predict(queries))
    search = GridSearchCV(ours, {"annoyindex__n_trees": [2, 4]}, cv=2).fit(vectors, labels)
    assert search.best_score_ > 0.8


def test_more_neighbours_than_there_are(data):
    vectors, queries = data
    index = ExactIndex().fit(vectors)
    index.remove(np.arange(295))
    assert index.kneighbors(queries, 5)[1].min() >= 295
    for X, k in [(queries, 6), (queries, 0), (None, 5)]:
        with pytest.raises(ValueError, match=f"Expected n_neighbors <= .* n_neighbors = {k}"):
            index.kneighbors(X, k)


@pytest.mark.parametrize("index", ALL, ids=lambda index: type(index).__name__)
def test_before_fit(index):
    rows = np.ones((1, 2))
    for call in (index.kneighbors, index.transform, lambda X: index.add(X)):
        with pytest.raises(NotFittedError):
            call(rows)
    for call in (index.rebuild, index.wait):
        with pytest.raises(NotFittedError):
            call()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda index: index.add(np.ones((2, 3))), ValueError, "has 3 features, but ExactIndex"),
        (lambda index: index.add(np.full((2, 8), np.nan)), ValueError, "contains NaN"),
        (lambda index: index.replace([300], np.ones((1, 8))), IndexError, "rows 0 to 299; got 300"),
        (lambda index: index.remove(np.arange(300) == 5), TypeError, "got bool .*np.flatnonzero"),
        (lambda index: index.remove([7.9]), TypeError, "1-D array of integers; got float64"),
        (lambda index: index.remove(np.ma.array([1, 2], mask=[0, 1])), ValueError, "compressed"),
        (lambda index: index.remove(3), TypeError, "1-D array of integers; got int64 of shape"),
        (lambda index: index.remove([-1]), IndexError, "rows 0 to 299; got -1 to -1"),
        (lambda index: index.write([301], np.ones((1, 8))), IndexError, "follow row 299"),
        (lambda index: index.replace([1, 1], np.ones((2, 8))), ValueError, "unique"),
        (lambda index: index.replace([1], np.ones((2, 8))), ValueError, "2 vectors for 1 rows"),
    ],
)
def test_changes_that_cannot_be(data, change, error, message):
    index = ExactIndex().fit(data[0])
    before = index.snapshot
    with pytest.raises(error, match=message):
        change(index)
    assert index.snapshot is before


@pytest.mark.parametrize("metric", ["dot", "angular"])
@pytest.mark.parametrize("index", ALL, ids=lambda index: type(index).__name__)
def test_no_queries(data, index, metric):
    index = clone(index).set_params(metric=metric).fit(data[0])
    scores, rows = index.search(np.empty((0, 8), dtype=np.float32), 3)
    assert scores.shape == rows.shape == (0, 3)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda i, q: i.kneighbors(q, 2.5), TypeError, "n_neighbors must be an integer; got 2.5"),
        (lambda i, q: i.kneighbors_graph(q, mode="foo"), ValueError, "mode must be .* got 'foo'"),
    ],
)
def test_what_cannot_be_asked(data, ask, error, message):
    with pytest.raises(error, match=message):
        ask(ExactIndex().fit(data[0]), data[1])


def test_a_graph_of_its_own_vectors_is_square(data):
    index = ExactIndex(metric="angular").fit(data[0])
    index.remove([3, 5])
    graph = index.kneighbors_graph(n_neighbors=4)
    assert graph.shape == (300, 300)
    lengths = np.diff(graph.indptr)
    assert lengths[[3, 5]].tolist() == [0, 0]
    assert (np.delete(lengths, [3, 5]) == 4).all()
    assert graph[:, [3, 5]].nnz == graph.diagonal().sum() == 0


def test_distances_do_not_cost_a_pass_over_all(data, monkeypatch):
    index = ExactIndex().fit(data[0])
    index.add(data[0][:4] * 3)
    index.replace([0], data[0][:1] * 0.1)
    seen = []
    monkeypatch.setattr(
        neighbors, "squared_lengths", lambda v: seen.append(v.shape) or rows.squared_lengths(v)
    )
    distances, _ = index.kneighbors(data[1])
    assert seen == [(20, 8)]
    longer = NearestNeighbors(n_neighbors=10).fit(with_equal_lengths(index.vectors))
    expected, _ = longer.kneighbors(np.pad(data[1], ((0, 0), (0, 1))))
    np.testing.assert_allclose(distances, expected, rtol=1e-3, atol=1e-3)
