"""Vectors that items have of their own."""

import torch

from embrec.network.id_vectors import IdVectors


def make_vectors(dropout=0.0, **options):
    vectors = IdVectors(5, 3, dropout, **options)
    torch.nn.init.normal_(vectors.weight, generator=torch.Generator().manual_seed(0))
    return vectors


def test_zero_at_the_start_and_for_items_without_one():
    assert not IdVectors(5, 3)(torch.arange(5)).any()
    found = make_vectors().eval()(torch.tensor([-1, 2, -1]))
    assert not found[[0, 2]].any()
    assert found[1].all()


def test_counts_as_much_as_its_support_allows():
    counts = torch.tensor([0, 1, 5, 20, 1000])
    vectors = make_vectors(shrinkage=5.0)
    vectors.set_support(counts)
    share = torch.tensor([0, 1 / 6, 0.5, 0.8, 1000 / 1005])
    torch.testing.assert_close(vectors(torch.arange(5)), vectors.weight * share[:, None])
    torch.testing.assert_close(vectors.mean(), (vectors.weight * share[:, None]).mean(0))
    vectors = make_vectors(shrinkage=0.0)
    vectors.set_support(counts)
    torch.testing.assert_close(vectors(torch.arange(1, 5)), vectors.weight[1:])


def test_without_shrinkage_all_count_in_full():
    vectors = make_vectors()
    vectors.set_support(torch.tensor([0, 1, 5, 20, 1000]))
    assert torch.equal(vectors(torch.arange(5)), vectors.weight)


def test_whole_vectors_drop_in_training_only():
    vectors = make_vectors(dropout=0.4)
    torch.manual_seed(0)
    ids = torch.arange(5).repeat(2000)
    found = vectors(ids)
    dropped = ~found.any(dim=1)
    assert (found[~dropped] == vectors.weight[ids[~dropped]]).all()
    assert abs(dropped.float().mean() - 0.4) < 0.03
    assert vectors.eval()(ids).any(dim=1).all()


def test_norms_are_bounded_and_short_vectors_stay():
    vectors = IdVectors(3, 2, bound=1.0)
    with torch.no_grad():
        vectors.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]]))
    vectors.limit_norms(torch.tensor([0, 1]))
    expected = torch.tensor([[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]])
    torch.testing.assert_close(vectors.weight.detach(), expected)
    vectors.bound = 2.0
    vectors.limit_norms()
    expected[2] = torch.tensor([1.2, 1.6])
    torch.testing.assert_close(vectors.weight.detach(), expected)
    vectors.bound = None
    vectors.weight.data *= 100
    vectors.limit_norms()
    torch.testing.assert_close(vectors.weight.detach(), 100 * expected)
