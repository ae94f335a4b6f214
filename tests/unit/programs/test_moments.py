"""Where a drawn number places a request."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kalam_props.programs.moments import at_write, in_comb, read_at_write


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


def test_half_of_the_reads_at_a_write_must_see_it():
    """They are sent at its answer or after; the others mostly about where it commits."""
    released = [read_at_write(moment) for moment in range(32)]
    assert released[0] is None
    assert [release.anchor for release in released[1:]] == ["write"] * 15 + ["answer"] * 16
    assert {release.us for release in released[16:]} == {0, 50, 150, 400, 1000}


def test_a_write_at_another_is_sent_with_it_or_about_where_it_commits_or_at_its_answer():
    released = [at_write(moment) for moment in range(32)]
    assert released[:8] == [None] * 8
    fractions = [
        release.fraction for release in released if release is not None and release.anchor == "write"
    ]
    assert len(fractions) == 18
    assert sum(0.75 <= fraction <= 1.05 for fraction in fractions) == 7
    assert max(fractions) < 1.5
    assert released[26].anchor == "answer"
