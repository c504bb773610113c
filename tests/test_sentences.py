"""Texts as data and their models: tokens, a grammar whose probabilities are known, exact likelihoods, codes in use."""

from __future__ import annotations

import math

import pytest
import torch

import counterfeit as cf
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.common.seeding import seeded
from counterfeit.core import Spec
from counterfeit.data.sources.sentences import Sentences
from counterfeit.data.sources.text_lines import Lines
from counterfeit.data.tokenizer import UNKNOWN, pieces, said
from counterfeit.models.autoencoding.sentence_vae import SentenceVAE
from counterfeit.models.autoregressive.sentence_rnn import SentenceRNN
from counterfeit.models.autoregressive.shared.recurrent import RecurrentSettings, draw_text
from probes import cells, descend

SMALL = Spec((3,), "tokens", vocabulary=(UNKNOWN, "a", "b"))
NETS = RecurrentSettings(4, 6)
POEM = [f"{who} {what}" for who in ("The cat", "a dog,", "No!", "the dog") for what in ("sat.", "a cat?", "no cat")] * 9


@pytest.fixture(scope="module")
def grammar() -> Sentences:
    return Sentences()


@pytest.fixture
def poem(tmp_path):
    path = tmp_path / "poem.txt"
    path.write_text("\n".join(POEM), encoding="utf-8")
    return path


# Data ----------------------------------------------------------------------------------------------------------------


def test_the_grammar_knows_the_probability_of_every_sentence(grammar):
    """Patterns and words in place, by hand; and shares of sentences that are drawn."""
    x = grammar.encode(["the dog sleeps."])
    the, dog = 1 / sum(1 / i for i in range(1, 7)), 1 / sum(1 / i for i in range(1, 15))
    sleeps = 1 / sum(1 / i for i in range(1, 8))
    expected = 10 / 100 * 0.6 * the * dog * sleeps
    assert float(grammar.log_prob(x).exp()) == pytest.approx(expected, rel=1e-4)
    drawn = grammar.split("train").first().x
    found = float((drawn == x).all(1).double().mean())
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / len(drawn)))


def test_a_word_of_two_patterns_is_counted_in_both(grammar):
    """'that' begins a noun and a clause; what no pattern writes has no probability."""
    x = grammar.encode(["that dog that sees that cat sleeps.", "dog the sleeps."])
    assert grammar.log_prob(x).isfinite().tolist() == [True, False]


def test_sentences_come_back_as_they_were(grammar):
    texts = grammar.decode(grammar.split("valid").first(50).x)
    assert grammar.decode(grammar.encode(texts)) == texts
    assert len({*texts}) > 40


def test_lines_become_tokens_of_one_vocabulary(poem):
    source = Lines(poem)
    assert source.spec.kind == "tokens"
    assert source.spec.vocabulary[0] == UNKNOWN
    assert source.decode(source.encode(["The cat sat."])) == ["the cat sat."]
    assert source.decode(source.encode(["the zebra sat"])) == [f"the {UNKNOWN} sat"]
    held = {name: {*source.decode(source.split(name).first().x)} for name in ("train", "valid", "test")}
    assert sum(map(len, held.values())) == len(set.union(*held.values())), "equal lines lie in two splits"


def test_characters_are_kept_as_they_are(poem):
    source = Lines(poem, tokens="characters")
    assert source.decode(source.encode(["The cat sat."])) == ["The cat sat."]
    assert source.spec.shape == (14,)


def test_lines_that_are_too_long_are_left_out_and_said(tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("\n".join(["a b c", "a b", "", "a b c d e"] * 5), encoding="utf-8")
    source = Lines(path, longest=3)
    assert source.spec.shape == (3,)
    assert "10 of 20 lines" in source.warning


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", {}, "has no line with a word in it"), (b"\n \n", {}, "has no line with a"), (b"a\xff b", {}, "no UTF-8"),
        (b"a b c", {"longest": 2}, "has no line of 1 to 2 words"), (b"a", {"tokens": "bytes"}, "words or characters"),
        (b"a", {"longest": 0}, "at least 1"),
    ],
)  # fmt: skip
def test_files_that_hold_no_lines_are_answered_in_one_line(content, options, words, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as refusal:
        Lines(path, **options)
    assert "\n" not in str(refusal.value)


def test_marks_stand_at_the_word_before_them():
    words = ["it's", ",", "no", "?"]
    assert pieces("It's, no?", "words") == ["it's", ",", "no", "?"]
    assert said(torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0]), words, "words") == "it's, no?"


@pytest.mark.parametrize("recipe", ["gan", "vae", "made", "maf", "autoencoder"])
def test_models_of_numbers_refuse_texts_in_one_line(recipe, poem, tmp_path):
    with pytest.raises(ValueError, match="kind 'tokens' came") as refusal:
        cf.train(recipe, data=poem, out=tmp_path / "run", settings={"data.transforms": ()}, show=False)
    assert "\n" not in str(refusal.value)


# Models --------------------------------------------------------------------------------------------------------------


def made(model: str, spec: Spec = SMALL):
    with seeded(1):
        found = SentenceRNN(spec, NETS) if model == "rnn" else SentenceVAE(spec, 2, nets=NETS)
        for p in found.parameters():
            p.data.add_(0.3 * torch.randn_like(p))
    return found.eval()


def test_probabilities_of_all_texts_sum_to_one_after_training_too():
    model, points = made("rnn"), cells(SMALL).points
    x = points[torch.tensor([5, 5, 8, 13, 13, 13, 20, 0])]
    for _ in range(2):
        with torch.no_grad():
            assert float(model.log_prob(points).exp().sum()) == pytest.approx(1, abs=1e-5)
        descend(model, x, 40, 0.05, 50)
    with torch.no_grad():
        shares = model.log_prob(points).exp()
    assert float(shares[13]) == pytest.approx(3 / 8, abs=0.1)


def test_a_token_is_told_by_those_before_it_alone():
    """Logits at place t move with tokens before t, and with no other."""
    model, x = made("rnn", Spec((5,), "tokens", vocabulary=(UNKNOWN, "a", "b", "c"))), torch.tensor([[1, 2, 3, 4, 1]])
    net = model.decoder
    before = net.shifted(x)
    embedded = net.embed(before).detach().requires_grad_()
    logits = net.out(net.gru(embedded)[0])
    for t in range(5):
        (moved,) = torch.autograd.grad(logits[0, t].sum(), embedded, retain_graph=True)
        reach = moved[0].abs().sum(1) > 0
        assert reach.tolist() == [i <= t for i in range(5)]  # place i holds token i - 1
    assert before.tolist() == [[5, 1, 2, 3, 4]]


def test_nothing_behind_the_end_of_a_text_counts():
    model = made("rnn", Spec((6,), "tokens", vocabulary=(UNKNOWN, "a", "b")))
    longer = made("rnn", Spec((9,), "tokens", vocabulary=(UNKNOWN, "a", "b")))
    x = torch.tensor([[2.0, 3.0, 2.0, 0.0, 0.0, 0.0]])
    with torch.no_grad():
        torch.testing.assert_close(model.log_prob(x), longer.log_prob(torch.cat([x, torch.zeros(1, 3)], 1)))


def test_the_code_of_a_text_hangs_on_all_its_tokens_and_not_on_its_padding():
    model = made("vae", Spec((6,), "tokens", vocabulary=(UNKNOWN, "a", "b")))
    x = torch.tensor([[2.0, 3.0, 2.0, 0.0, 0.0, 0.0], [2.0, 3.0, 3.0, 0.0, 0.0, 0.0], [3.0, 3.0, 2.0, 2.0, 2.0, 2.0]])
    with torch.no_grad():
        z = model.encode(x)
        torch.testing.assert_close(model.encode(x[:1]), z[:1])
    assert float((z[0] - z[1]).abs().max()) > 1e-3


def test_a_weighted_bound_of_many_codes_is_the_probability():
    """The mean of p(x | z) over a grid of codes of the prior, against the bound with many samples."""
    model, x = made("vae"), cells(SMALL).points[[1, 13, 30]]
    axis = torch.linspace(-6, 6, 61)
    z = torch.cartesian_prod(axis, axis)
    weight = torch.distributions.Normal(0, 1).log_prob(z).sum(1) + 2 * math.log(float(axis[1] - axis[0]))
    with torch.no_grad(), seeded(0):
        exact = [(model._log_likelihood(one.expand(len(z), -1), z) + weight).logsumexp(0) for one in x]
        torch.testing.assert_close(model.iwae(x, 20_000), torch.stack(exact), atol=0.03, rtol=0)


def test_the_likeliest_text_is_the_same_every_time_and_draws_vary():
    model = made("vae", Spec((6,), "tokens", vocabulary=(UNKNOWN, "a", "b")))
    z = torch.zeros(40, 2)
    with torch.no_grad():
        assert len(model.decode(z).unique(dim=0)) == 1
        assert len(draw_text(model.decoder, 40, 6, z).unique(dim=0)) > 5


def test_word_dropout_hides_words_and_never_ends():
    net, x = made("vae").decoder, torch.tensor([[2.0, 3.0, 0.0]] * 500)
    with seeded(0):
        hidden = net.shifted(x, 0.5)
    assert hidden[:, 0].eq(net.start).all()
    assert 0.4 < float((hidden[:, 1] == 1).float().mean()) < 0.6
    assert net.shifted(x, 0.0)[0].tolist() == [net.start, 2, 3]


# From the command line -----------------------------------------------------------------------------------------------


def test_lines_train_and_come_back_as_lines(poem, tmp_path, capsys):
    run = str(tmp_path / "run")
    quick = ["--train.steps", "4", "--train.batch_size", "8", "--train.tensorboard", "false"]
    sizes = ["--model.hidden", "8", "--model.embedding_dim", "4", "--model.latent_dim", "2", "--train.threads", "1"]
    assert main(["train", "sentence-vae", "--data", str(poem), "--out", run, *quick, *sizes]) == 0
    assert main(["sample", run, "-n", "5"]) == 0
    assert len((tmp_path / "run" / "samples.txt").read_text(encoding="utf-8").splitlines()) == 5
    assert main(["sample", run, "--interpolate", "2", "--steps", "3", "--out", str(tmp_path / "ways.txt")]) == 0
    assert len((tmp_path / "ways.txt").read_text(encoding="utf-8").splitlines()) == 7
    assert main(["sample", run, "--out", str(tmp_path / "lines.png")]) == 0
    assert main(["score", run, str(poem)]) == 0
    assert "the cat sat." in (tmp_path / "run" / "scores.csv").read_text(encoding="utf-8")
    assert main(["encode", run, "--input", str(poem)]) == 0
    assert main(["evaluate", run, "--metrics", "all"]) == 0
    assert "nats-per-token" in capsys.readouterr().out
    assert cf.Run(run).grid(4).size[0] > 4
    assert main(["data", "show", str(poem), "--out", str(tmp_path / "d.png")]) == 0


def test_a_text_of_pictures_is_refused(poem, tmp_path, capsys):
    run = cf.train("gan", steps=1, out=tmp_path / "run", settings={"train.tensorboard": False}, show=False)
    assert main(["sample", str(run.path), "--out", str(tmp_path / "x.txt")]) == 2
    assert "was not trained on texts" in capsys.readouterr().err


def test_a_language_model_comes_near_the_truth_and_not_above(grammar):
    model, x = SentenceRNN(grammar.spec, RecurrentSettings(24, 48)), grammar.split("train").first(6000).x
    with seeded(0):
        descend(model, x, 200, 2e-2)
    test = grammar.split("test").first(1000).x
    with torch.no_grad():
        gap = grammar.log_prob(test) - model.log_prob(test)
    assert -3 * float(gap.std()) / math.sqrt(len(gap)) < float(gap.mean()) < 1.5
