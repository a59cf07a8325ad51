"""Positions: their formula, growth and symmetry."""

import copy
import math

import pytest
import torch

from automl_tf.model.positions import LearnedPositions, RotaryPositions, SinusoidalPositions


def test_sinusoids_follow_the_formula():
    table = SinusoidalPositions(10, 6)(0, 6)
    for position in range(6):
        for pair in range(5):
            angle = position / 10_000 ** (2 * pair / 10)
            assert table[position, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.parametrize("kind", [SinusoidalPositions, RotaryPositions])
def test_tables_grow_on_demand(kind):
    small, large = kind(8, 4), kind(8, 64)
    before = small.rows(0, 4).clone()
    assert torch.equal(small.rows(3, 40), large.rows(3, 40))
    assert torch.equal(small.rows(0, 4), before)


@pytest.mark.parametrize("kind", [SinusoidalPositions, RotaryPositions])
def test_a_table_is_no_state(kind):
    table = kind(8, 4)
    assert not table.state_dict()
    assert not list(table.parameters())


def test_a_table_grown_while_translating_serves_training():
    positions = RotaryPositions(8, 4)
    with torch.inference_mode():
        positions(0, 30)
    x = torch.randn(30, 8, requires_grad=True)
    positions(0, 30).turn(x).sum().backward()
    assert x.grad is not None


def test_a_table_keeps_its_type_when_it_grows():
    positions = copy.deepcopy(SinusoidalPositions(8, 4)).bfloat16()
    assert positions(0, 100).dtype == torch.bfloat16


def test_learned_positions_end_somewhere():
    positions = LearnedPositions(8, 5)
    assert positions(2, 5).shape == (3, 8)
    with pytest.raises(AssertionError):
        positions(2, 6)


def test_rotation_keeps_lengths_and_depends_on_distance_alone():
    torch.manual_seed(1)
    positions = RotaryPositions(16, 50)
    query, key = torch.randn(16), torch.randn(16)

    def product(query_at, key_at):
        turned_query = positions(query_at, query_at + 1).turn(query[None])
        turned_key = positions(key_at, key_at + 1).turn(key[None])
        torch.testing.assert_close(turned_query.norm(), query.norm())
        return (turned_query * turned_key).sum()

    for distance in (0, 1, 7):
        products = torch.stack([product(at + distance, at) for at in (0, 3, 20, 41)])
        torch.testing.assert_close(products, products[:1].expand(4), rtol=1e-4, atol=1e-5)
    assert not torch.isclose(product(5, 0), product(0, 5))
