"""Where a drawn number places a request."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kalam_props.programs.moments import in_comb


def test_a_single_read_is_placed_where_one_met_most_windows():
    assert in_comb(0, 0, 1).fraction == 0.7


@pytest.mark.parametrize("teeth", [2, 3, 4])
def test_several_requests_in_one_flush_are_further_apart_than_a_short_window_is_long(teeth):
    """So that they cover more of a flush that may end a millisecond or two later than expected."""
    fractions = [in_comb(0, tooth, teeth).fraction for tooth in range(teeth)]
    assert fractions[0] < 0.7 < fractions[1]
    assert all(later - earlier == pytest.approx(0.2) for earlier, later in pairwise(fractions))


def test_what_is_drawn_moves_all_of_them_by_less_than_their_distance():
    drawn = [[in_comb(moment, tooth, 4).fraction for moment in range(32)] for tooth in range(4)]
    assert len({fraction for of_one in drawn for fraction in of_one}) == 4 * 32
    assert all(max(of_one) - min(of_one) < 0.4 for of_one in drawn)
    assert min(drawn[0]) > 0.4
