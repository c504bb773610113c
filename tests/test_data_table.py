"""Tables: columns of numbers and of categories, gaps, splits, standardization, and rows that come back."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch

from counterfeit import catalogue
from counterfeit.cli import main
from counterfeit.common.files import DataError
from counterfeit.config.settings import Data
from counterfeit.core import Spec
from counterfeit.data.source import transformed
from counterfeit.data.sources.table import Table, read_table, write_table
from counterfeit.run.run import Run, train
from counterfeit.transforms import Standardize, build


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def moons(path, rows=200, more=""):
    x = np.random.default_rng(0).normal(size=(rows, 2)) * [25, 0.1] + [1_000, 3]
    lines = [f"{a:.5f},{b:.5f}{more}" for a, b in x]
    return written(path, "\n".join([f"east,north{',always' if more else ''}", *lines]) + "\n"), x


# ---- columns


def test_numbers_are_told_from_categories(tmp_path):
    file = written(tmp_path / "a.csv", "age,city,score\n" + "30,Rome,1e-3\n41,Oslo,2\n" * 20)
    table = Table(file)
    assert table.spec == Spec((4,), "real")
    assert table.value_names == ["age", "city=Oslo", "city=Rome", "score"]
    rows = {tuple(row) for name in ("train", "valid", "test") for row in table.split(name).first().x.tolist()}
    assert sorted(rows) == [pytest.approx((30, 0, 1, 1e-3)), (41, 1, 0, 2)]


def test_what_is_encoded_is_decoded(tmp_path):
    held = {"age": ["30", "41", "-2.5"] * 5, "city": ["Rome", "Oslo", "Bern"] * 5}
    table = Table(held)
    x = table.encode(held)
    back = table.decode(x + 0.2 * torch.rand_like(x).round())  # the highest of a column's values says which
    assert back["city"] == held["city"]
    assert table.decode(x)["age"] == [float(cell) for cell in held["age"]]


def test_numbers_can_be_categories_and_columns_be_left_out(tmp_path):
    held = {"id": [str(i) for i in range(200)], "kind": ["1", "2"] * 100, "x": ["0.5"] * 200}
    table = Table(held, columns=["kind", "x"], categorical=["kind"])
    assert table.value_names == ["kind=1", "kind=2", "x"]


def test_a_column_of_classes_is_no_value(tmp_path):
    table = Table({"x": [str(i) for i in range(40)], "kind": ["b", "a"] * 20}, label="kind")
    assert (table.spec.classes, table.class_names, table.value_names) == (2, ("a", "b"), ["x"])
    batch = table.split("train").first()
    assert (batch.y == (batch.x[:, 0] % 2 == 0).long()).all()


@pytest.mark.parametrize(
    "text", ["a;b\n1;2\n3;4\n", "a\tb\n1\t2\n3\t4\n", "\ufeffa,b\n1,2\n3,4\n", 'a,"b"\n1,"2"\n3,4\n\n']
)
def test_dialects_are_one_table(tmp_path, text):
    assert read_table(written(tmp_path / "a.csv", text)) == {"a": ["1", "3"], "b": ["2", "4"]}


def test_numbers_alone_have_names_of_their_own(tmp_path):
    assert read_table(written(tmp_path / "a.csv", "1,2\n3,4\n")) == {"x1": ["1", "3"], "x2": ["2", "4"]}


def test_parquet_is_a_table(tmp_path):
    pytest.importorskip("pyarrow")
    write_table({"x": [1.5, 2.5], "kind": ["a", "b"]}, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet") == {"x": ["1.5", "2.5"], "kind": ["a", "b"]}
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match="is no Parquet file"):
        read_table(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows below"),
        ("a,b\n1,2\n3\n", "row 3 has 1 cells; 2 are expected"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a,\n1,2\n", "a column without a name"),
        ("a,b\n1,2\n3,\n", "column 'b' has no value in row 2, and 1 of 2 rows have gaps"),
        ("a,b\n1,nan\n3,4\n", "column 'b' has no value in row 1"),
        ("a,b\n1,inf\n3,4\n", "'inf' in column 'b' came; a finite number"),
        ("a\n" + "\n".join(f"text {i}" for i in range(101)), "101 different texts"),
        ('a,b\n"1,2\n', "is no table"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(DataError) as caught:
        Table(written(tmp_path / "a.csv", text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="no UTF-8"):
        Table(tmp_path / "a.csv")


def test_unknown_columns_lead_to_the_nearest():
    with pytest.raises(DataError, match="did you mean 'north'"):
        Table({"north": ["1", "2"], "east": ["1", "2"]}, columns=["nroth"])


# ---- gaps


def test_rows_with_gaps_are_dropped_or_filled():
    held = {"x": ["1", "", "3", "8"] * 5, "kind": ["a", "a", "NA", "b"] * 5}
    every = ("train", "valid", "test")
    dropped = Table(held, missing="drop")
    assert sum(dropped.sizes[name] for name in every) == 10
    filled = Table(held, missing="fill")
    rows = {tuple(row) for name in every for row in filled.split(name).first().x.tolist()}
    assert rows == {(1, 1, 0), (4, 1, 0), (3, 1, 0), (8, 0, 1)}  # the mean of 1, 3 and 8, and the most frequent


# ---- splits


def test_splits_are_by_seed_or_by_a_column():
    held = {"x": [str(i) for i in range(100)], "part": ["train"] * 60 + ["valid"] * 30 + ["test"] * 10}
    by_column = Table(held, split="part")
    assert by_column.sizes == {"train": 60, "valid": 30, "test": 10}
    assert sorted(by_column.split("test").first().x.flatten().tolist()) == [*range(90, 100)]
    one, other = (Table(held, columns=["x"], seed=seed).split("test").first().x for seed in (0, 1))
    assert not torch.equal(one.sort(0).values, other.sort(0).values)
    with pytest.raises(DataError, match="holds 'dev'"):
        Table({"x": ["1", "2"], "part": ["train", "dev"]}, split="part")


# ---- standardization


def test_standardization_has_the_log_determinant_of_autograd():
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([25.0, 0.1, 1]) + 7
    transform = Standardize()
    transform.fit(lambda: x)
    y, change = transform.forward(x)
    assert y.mean(0).abs().max() < 1e-5
    assert (y.std(0, correction=0) - 1).abs().max() < 1e-5
    slope = torch.autograd.functional.jacobian(lambda one: transform.forward(one[None])[0][0], x[0])
    assert float(change[0]) == pytest.approx(float(torch.linalg.slogdet(slope).logabsdet), abs=1e-5)
    assert (transform.inverse(y) - x).abs().max() < 1e-4


def test_nats_are_of_the_table_as_given(tmp_path):
    file, _ = moons(tmp_path / "a.csv", 2_000)
    run = train("real-nvp", data=file, steps=1, out=tmp_path / "run", settings={"train.lr": 1e-9}, show=False)
    assert run.config.data.transforms == ("standardize",)
    found = run.scores(run.source.split("test").first().x)
    gauss = torch.distributions.Normal(torch.tensor([1_000.0, 3.0]), torch.tensor([25.0, 0.1]))
    truth = gauss.log_prob(run.source.raw.split("test").first().x).sum(1)
    # a flow begins near the identity of standardized data, which are a standard normal here
    assert float(found.nats.mean()) == pytest.approx(float(truth.mean()), abs=0.5)
    assert abs(float(truth.mean()) - float(-math.log(2 * math.pi) - 1)) > 0.5  # of standardized data it would be this


def test_values_pass_through_transforms_before_it():
    source = transformed(Table({"x": [str(i) for i in range(50)]}), build(["symmetric", "standardize"]))
    x = source.split("train").first().x
    assert float(x.mean()) == pytest.approx(0, abs=1e-5)
    assert source.natural(x) == pytest.approx(source.raw.split("train").first().x, abs=1e-4)


# ---- from the command line


def test_a_column_that_never_changes_is_named(tmp_path, capsys):
    file, _ = moons(tmp_path / "a.csv", more=",7")
    words = ["train", "real-nvp", "--data", str(file), "--train.steps", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    assert "'always' never changes in training" in capsys.readouterr().err
    assert main([*words, "--data.options", "{columns: [east, north]}", "--no-evaluate", "--no-report"]) == 0


def test_samples_come_back_as_a_table(tmp_path, capsys):
    rows = "".join(f"{i % 7}.5,{'ab'[i % 2]},{i}\n" for i in range(60))
    file = written(tmp_path / "a.csv", f"width,kind,height\n{rows}")
    words = ["train", "gan", "--data", str(file), "--train.steps", "3", "--out", str(tmp_path / "run"), "--no-evaluate"]
    assert main(words) == 0
    assert (tmp_path / "run" / "figures" / "pairs.svg").is_file()
    assert main(["sample", str(tmp_path / "run"), "--n", "9"]) == 0
    found = list(csv.DictReader((tmp_path / "run" / "samples.csv").read_text().splitlines()))
    assert [*found[0]] == ["width", "kind", "height"]
    assert len(found) == 9
    assert {row["kind"] for row in found} <= {"a", "b"}
    assert all(math.isfinite(float(row["height"])) for row in found)
    x = Run(tmp_path / "run").sample(9)
    assert [float(row["width"]) for row in found] == pytest.approx(x[:, 0].tolist(), rel=1e-5)


def test_rows_of_other_tables_are_scored(tmp_path):
    file, _ = moons(tmp_path / "a.csv")
    train("real-nvp", data=file, steps=2, out=tmp_path / "run", show=False)
    other = written(tmp_path / "b.csv", "north,more,east\n3.0,x,1000\n9.0,y,1000\n")
    assert main(["score", str(tmp_path / "run"), str(other), "--out", str(tmp_path / "s.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert float(rows[0]["nats"]) > float(rows[1]["nats"]) + 10
    lacking = written(tmp_path / "c.csv", "north\n3.0\n")
    assert main(["score", str(tmp_path / "run"), str(lacking)]) == 2


def test_a_table_is_shown(tmp_path):
    file, _ = moons(tmp_path / "a.csv", more=",7")
    assert main(["data", "show", str(file), "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_table_is_found_by_its_ending(tmp_path):
    file, _ = moons(tmp_path / "a.tsv")
    assert isinstance(catalogue.source(Data(str(file))), Table)
