"""Statistics of forced choices against golden values, scipy, and studies whose truth is known."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import pytest
import torch

from counterfeit.common.seeding import seeded
from counterfeit.metrics.stats.proportions import binomial_test, exceeding, interval, share, wilson
from counterfeit.metrics.stats.user_study import (
    Trials,
    bradley_terry,
    cluster_bootstrap,
    d_prime,
    forced_choice,
    read_trials,
    read_wins,
)


def study(raters: int, each: int, spread: float = 0.0, share: float = 0.6) -> Trials:
    """Answers of raters whose own shares vary by `spread`."""
    own = (share + spread * torch.randn(raters)).clamp(0, 1)
    names = [f"r{i}" for i in range(raters) for _ in range(each)]
    return Trials((torch.rand(raters, each) < own[:, None]).flatten(), names)


def test_golden_values_of_sixty_in_a_hundred():
    found = forced_choice(Trials(torch.arange(100) < 60, ["a", "b", "c", "d"] * 25))
    assert (found.share, found.n) == (0.6, 100)
    assert found.p == pytest.approx(0.05689, abs=5e-6)
    assert found.wilson == pytest.approx((0.5020, 0.6906), abs=5e-5)
    assert found.d_prime[0] == pytest.approx(0.3583, abs=5e-5)


@pytest.mark.parametrize("p", [0.5, 0.1, 1 / 3])
def test_the_binomial_test_agrees_with_scipy(p):
    stats = pytest.importorskip("scipy.stats")
    for n in (1, 7, 100, 1_000):
        for k in range(0, n + 1, max(1, n // 9)):
            assert binomial_test(k, n, p) == pytest.approx(stats.binomtest(k, n, p).pvalue, rel=1e-9)


def test_wilsons_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 5), (3, 10), (10, 10), (700, 1_000)):
        expected = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert wilson(k, n, 0.9) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_d_prime_of_guessing_is_nothing_and_its_error_is_the_spread_over_studies():
    assert d_prime(50, 100)[0] == 0
    with seeded(0):
        found = [d_prime(int(k), 200) for k in torch.binomial(torch.full((500,), 200.0), torch.tensor(0.7))]
    values, errors = (torch.tensor(column) for column in zip(*found, strict=True))
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.1)


def test_d_prime_stays_finite_where_all_answers_are_alike():
    assert d_prime(20, 20)[0] == pytest.approx(-d_prime(0, 20)[0])
    assert math.isfinite(d_prime(20, 20)[1])


def test_raters_who_differ_widen_the_interval():
    with seeded(0):
        alike, apart = cluster_bootstrap(study(40, 25)), cluster_bootstrap(study(40, 25, spread=0.2))
    assert alike[0] == pytest.approx(math.sqrt(0.24 / 1_000), rel=0.3)
    assert apart[0] > 1.6 * alike[0]
    assert apart[1][0] < 0.6 < apart[1][1]


def test_raters_are_resampled_with_all_their_answers():
    trials = Trials(torch.tensor([True] * 10 + [False] * 10), ["a"] * 10 + ["b"] * 10)
    assert cluster_bootstrap(trials)[1] == interval(0.5, 1, None)  # as much as one answer tells


def test_the_order_of_answers_does_not_matter():
    with seeded(0):
        trials, order = study(10, 8), torch.randperm(80)
    mixed = Trials(trials.correct[order], [trials.raters[i] for i in order])
    assert cluster_bootstrap(mixed) == cluster_bootstrap(trials)


def test_one_rater_has_no_interval_over_raters():
    assert forced_choice(Trials(torch.ones(3).bool(), ["a"] * 3)).clustered is None
    with pytest.raises(ValueError, match="1 rater came"):
        cluster_bootstrap(Trials(torch.ones(3).bool(), ["a"] * 3))


def test_two_models_have_the_log_odds_of_their_games():
    ability, error = bradley_terry(torch.tensor([[0, 30], [10, 0]]))
    assert float(ability[0] - ability[1]) == pytest.approx(math.log(3))
    assert float(ability.sum()) == pytest.approx(0, abs=1e-12)
    # the variance of the difference is 1/30 + 1/10; each is half of the difference from its mean
    assert error.tolist() == pytest.approx([math.sqrt(1 / 30 + 1 / 10) / 2] * 2)


def test_abilities_are_found_with_honest_errors():
    truth = torch.tensor([1.0, 0.2, -0.3, -0.9])
    chance = (truth[:, None] - truth).sigmoid()
    inside = []
    with seeded(0):
        for _ in range(200):
            upper = torch.binomial(torch.full((4, 4), 60.0), chance).triu(1)
            wins = upper + (60 - upper).triu(1).T
            ability, error = bradley_terry(wins)
            inside.append(((ability - truth).abs() < 1.96 * error).double())
    assert 0.92 < float(torch.stack(inside).mean()) < 0.98


def test_abilities_maximize_the_likelihood():
    wins = torch.tensor([[0.0, 8, 3], [2, 0, 6], [5, 4, 0]])

    def likelihood(a):
        return float((wins.double() * (a[:, None] - a).sigmoid().log()).sum())

    best, _ = bradley_terry(wins)
    with seeded(0):
        others = [best + 0.05 * torch.randn(3, dtype=torch.float64) for _ in range(50)]
    assert all(likelihood(other) < likelihood(best) for other in others)


def test_a_model_that_never_lost_is_an_error():
    with pytest.raises(ValueError, match="won, or lost, every comparison"):
        bradley_terry(torch.tensor([[0, 5, 5], [0, 0, 3], [0, 2, 0]]))


def test_models_compared_in_a_ring_are_connected():
    wins = torch.zeros(4, 4)
    for i, j in pairwise([0, 1, 2, 3, 0]):
        wins[i, j] = 2
    assert bradley_terry(wins)[0].abs().max() < 1e-9


def test_trials_are_read_from_csv(tmp_path):
    file = tmp_path / "study.csv"
    file.write_text("rater,model,correct,seconds\nann,gan,1,2.0\nbob,gan,0,1.5\nann,vae,1,0.9\n")
    found = read_trials(file)
    assert found["gan"].correct.tolist() == [True, False]
    assert found["gan"].raters == ["ann", "bob"]
    assert found["vae"].correct.tolist() == [True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rater,correct\nann,1\n", "no column model"),
        ("rater,model,correct\nann,gan,yes\n", "line 2: correct is 'yes'"),
        ("rater,model,correct\nann,gan\n", "line 2: a cell is missing"),
        ("rater,model,correct\n", "holds no answers"),
        ("", "no column rater, model, correct"),
    ],
)
def test_files_that_are_no_trials_are_an_error(tmp_path, text, message):
    (tmp_path / "study.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_trials(tmp_path / "study.csv")


def test_wins_are_read_from_csv(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("\ufeffloser, winner\ngan,vae\ngan,vae\n\nvae,gan\n", encoding="utf-8")
    names, wins = read_wins(file)
    assert names == ["gan", "vae"]
    assert wins.tolist() == [[0, 1], [2, 0]]


def test_a_model_compared_with_itself_is_an_error(tmp_path):
    (tmp_path / "pairs.csv").write_text("winner,loser\na,b\na,a\n")
    with pytest.raises(ValueError, match="line 3: a is compared with itself"):
        read_wins(tmp_path / "pairs.csv")


def test_files_that_are_no_text_are_an_error(tmp_path):
    (tmp_path / "study.csv").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "study.csv", tmp_path / "none.csv"):
        with pytest.raises(ValueError, match="holds no table"):
            read_trials(path)


@pytest.mark.parametrize(("k", "n"), [(5, 4), (-1, 4), (0, 0)])
def test_impossible_counts_are_an_error(k, n):
    for function in (binomial_test, wilson, d_prime):
        with pytest.raises(ValueError, match=f"{k} of {n} came"):
            function(k, n)


@pytest.mark.parametrize("wins", [[[0, 5], [1, 0]], [[0, 40, 1], [1, 0, 30], [2, 5, 0]], [[0, 10**6], [1, 0]]])
def test_abilities_are_those_of_greatest_likelihood(wins):
    wins = torch.tensor(wins, dtype=torch.float64)
    ability, error = bradley_terry(wins)
    p = (ability[:, None] - ability).sigmoid()
    left = (wins - (wins + wins.T) * p).sum(1)  # the slope of the likelihood
    assert float(left.abs().max()) < 1e-6
    assert float(ability.sum()) == pytest.approx(0, abs=1e-8)
    assert bool((error > 0).all())
    if len(wins) == 2:
        assert float(ability[0] - ability[1]) == pytest.approx(math.log(float(wins[0, 1] / wins[1, 0])), rel=1e-9)


def test_abilities_that_do_not_converge_are_an_error():
    with pytest.raises(ValueError, match="did not converge in 2 steps"):
        bradley_terry(torch.tensor([[0, 50], [1, 0]]), steps=2)
    with pytest.raises(ValueError, match=r"wins of shape \(2, 3\)"):
        bradley_terry(torch.zeros(2, 3))


def test_raters_who_all_agree_leave_doubt():
    trials = Trials(torch.ones(12, dtype=torch.bool), ["ann", "bob", "eve"] * 4)
    low, high = forced_choice(trials).clustered
    assert (low, high) == (pytest.approx(3 / (3 + 1.959964**2)), 1.0)  # as three answers leave


def test_a_level_that_is_no_probability_is_an_error():
    with pytest.raises(ValueError, match="level=95 came"):
        wilson(3, 7, 95)


@pytest.mark.parametrize(("p", "n"), [(0.99, 100), (0.995, 250), (0.5, 20), (0.05, 60)])
def test_intervals_of_shares_hold_what_they_promise(p, n):
    """By enumeration: the probability that the interval covers the truth."""
    ways = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    right = [torch.arange(n) < k for k in range(n + 1)]
    covered = sum(way for way, some in zip(ways, right, strict=True) if share(some).low <= p <= share(some).high)
    assert 0.89 < covered < 0.99


def test_one_answer_says_little():
    found = share(torch.tensor([True]))
    assert found.error is None
    assert (found.low, found.high) == (pytest.approx(0.2065, abs=1e-4), 1.0)
    assert wilson(1, 1) == (found.low, found.high)


def test_intervals_are_as_wide_as_errors_say():
    plain, wide = interval(0.9, 100, math.sqrt(0.9 * 0.1 / 100)), interval(0.9, 100, 0.06)
    assert plain == pytest.approx(wilson(90, 100))
    assert wide == pytest.approx(interval(0.9, 25, None))
    assert interval(1.0, 100, 0.06)[0] < interval(1.0, 100, 0.0)[0]


def test_ranks_among_others_are_counted_exactly():
    """Every order of 3 further values among 5: how often k or more lie below the second of the five."""
    orders = [*combinations(range(8), 3)]  # places of the further ones
    below = [sum(place < [p for p in range(8) if p not in order][1] for place in order) for order in orders]
    for k in range(4):
        share_of = sum(count >= k for count in below) / len(orders)
        assert exceeding(k, 3, 2, 5) == pytest.approx(share_of)
