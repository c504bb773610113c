"""Settings: one name everywhere, types from signatures, errors that name the remedy."""

import shlex

import pytest
from PIL import Image

from counterfeit import catalogue
from counterfeit.catalogue import Recipe, configure
from counterfeit.config.nested import dump, load_yaml, nest
from counterfeit.config.parse import changed as changed_settings
from counterfeit.config.parse import command
from counterfeit.config.settings import Train

RECIPE = Recipe(
    "r", "", {"model": {"name": "gan", "hidden": [8]}, "train": {"steps": 5, "parts": {"generator": {"ema": 0.9}}}}
)


def settings(**dotted):
    return nest({key.replace("__", "."): value for key, value in dotted.items()})


def test_layers_override_in_order():
    config = configure(RECIPE, settings(train__steps=7), settings(train__steps="9", train__lr="1e-4"))
    assert (config.train.steps, config.train.lr, config.to_dict()["model"]["hidden"]) == (9, 1e-4, [8])


@pytest.mark.parametrize("text", ["512,256", "[512, 256]", "[512,256]"])
def test_lists_as_a_person_types_them(text):
    assert configure(RECIPE, settings(model__hidden=text)).to_dict()["model"]["hidden"] == [512, 256]


def test_one_value_is_a_list_of_one():
    assert configure(RECIPE, settings(model__hidden="64")).to_dict()["model"]["hidden"] == [64]


def test_setting_of_one_part_by_dotted_key():
    config = configure(RECIPE, {"train": {"parts.generator.lr": "2e-4"}})
    assert config.train.of_part("generator").lr == 2e-4
    assert config.train.of_part("generator").ema == 0.9
    assert config.train.of_part("discriminator").lr == config.train.lr


def test_survives_run_yaml():
    config = configure(RECIPE, settings(train__betas="0.5,0.9", data__transforms="binarize"))
    read = load_yaml(dump(config.to_dict()), "run.yaml")
    read.pop("recipe")
    assert configure(Recipe("r", "", read)) == config


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("train.lrr", 1, "did you mean 'train.lr'"),
        ("model.hiden", 1, "did you mean 'model.hidden'"),
        ("model.k", 2, "did you mean 'model.discriminator_steps'"),
        ("model.smoothing", 0.1, "did you mean 'model.label_smoothing'"),
        ("model.fresh", True, "did you mean 'model.resample_noise'"),
        ("train.parts.generator.lrr", 1, "did you mean 'lr'"),
        ("train.lr", "fast", "'fast' came; a number is expected"),
        ("train.seed", "1.5", "1.5 came; an integer is expected"),
        ("train.lr", True, "a number is expected"),
        ("model.objective", "x", "one of non-saturating, minimax, maximum-likelihood, classification-error"),
        ("train.steps", 0, "at least 1 is expected"),
        ("train.ema", 1.0, "in [0, 1)"),
        ("train.micro_batches", 3, "a divisor of train.batch_size=128"),
        ("data.size", 0, "at least 1"),
        ("train", 5, "train is no setting"),
    ],
)
def test_bad_settings_are_one_clear_line(key, value, says):
    with pytest.raises(ValueError) as error:
        configure(RECIPE, nest({key: value}))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_yaml_that_is_none_is_one_clear_line():
    with pytest.raises(ValueError, match="is not YAML"):
        load_yaml("a: [1", "x.yaml")
    with pytest.raises(ValueError, match=r"it holds \[1\]; a mapping is expected"):
        load_yaml("- 1", "x.yaml")


def test_command_derives_the_settings_again():
    base = configure(RECIPE)
    changed = configure(RECIPE, settings(train__seed=3, train__lr=1e-5, model__hidden="4,4"))
    assert command(changed, base) == "counterfeit train r --model.hidden '[4, 4]' --train.lr 1.0e-05 --train.seed 3"
    assert command(base, base) == "counterfeit train r"


def test_rules_are_inherited_by_parts():
    train = Train(lr=0.5, parts={"d": {"betas": [0.1, 0.2]}})
    assert train.of_part("d").betas == (0.1, 0.2)
    assert train.of_part("d").lr == 0.5


@pytest.mark.parametrize("name", sorted(catalogue.recipes()))
def test_every_recipe_resolves_with_and_without_smoke(name):
    recipe = catalogue.recipe(name)
    assert configure(recipe).model == recipe.model
    assert configure(recipe, recipe.smoke).train.steps < 20
    assert recipe.summary


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: {name: gan}\ntrian: {}", "did you mean 'train'"),
        ("train: {}", "names no model"),
        ("model: {name: gan}\ntargets: 5", "targets holds 5;"),
        ("model: {name: gan}\ntargets: [{metric: parzen}]", r"targets\[0\] lacks value"),
        ("model: {name: gan}\nsmoke: 5", "smoke holds 5; a mapping"),
    ],
)
def test_bad_recipe_files(tmp_path, text, says):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        catalogue.recipe(str(file))


def test_dotted_and_nested_settings_meet_and_the_callers_own_stay_as_they_were():
    given = {"train.steps": 5, "train": {"lr": 0.1}, "train.seed": 2}
    assert nest(given) == {"train": {"steps": 5, "lr": 0.1, "seed": 2}}
    assert given == {"train.steps": 5, "train": {"lr": 0.1}, "train.seed": 2}


# Other data than the recipe's own ------------------------------------------------------------------------------------

OWN = Recipe(
    "own", "", {
        "model": {"name": "gan"},
        "data": {"name": "unpaired-digits", "size": 16, "options": {"domains": ["plain", "red"]}, "classes": ["red"]},
    },
)  # fmt: skip


def test_options_and_classes_of_the_recipes_data_do_not_reach_other_data():
    data = configure(OWN, {"train": {"steps": 5}}, settings(data__name="digits")).data
    assert (data.name, data.size, data.options, data.classes) == ("digits", 16, {}, ())
    for given in ({}, settings(data__name="unpaired-digits"), settings(data__size=8)):
        data = configure(OWN, given).data
        assert (data.options, data.classes) == ({"domains": ["plain", "red"]}, ("red",))
    assert OWN.settings["data"]["options"]


def test_nothing_is_binarized_that_did_not_ask_for_it():
    recipe = catalogue.recipe("vae")
    assert configure(recipe).data.transforms == ("binarize",)
    config, source = catalogue.training_data(configure(recipe, settings(data__name="captioned-shapes")))
    assert (config.data.transforms, source.spec.kind) == ((), "image")
    asked = configure(recipe, settings(data__name="captioned-shapes", data__transforms="binarize"))
    config, source = catalogue.training_data(asked)
    assert (config.data.transforms, source.spec.kind) == (("binarize",), "binary")


def test_a_model_names_the_transforms_that_it_expects(monkeypatch):
    monkeypatch.setattr(catalogue.model_class("vae"), "transforms", {"image": ("dequantize", "logit")})
    config, source = catalogue.training_data(configure(catalogue.recipe("vae-mnist"), settings(data__name="digits")))
    assert (config.data.transforms, source.spec.kind) == (("dequantize", "logit"), "real")
    config, source = catalogue.training_data(configure(catalogue.recipe("vae-mnist"), settings(data__name="ring")))
    assert (config.data.transforms, source.spec.kind) == ((), "real")


def test_transforms_that_a_model_expects_are_no_change_of_its_recipe(monkeypatch):
    recipe = catalogue.recipe("vae-mnist")
    config, _ = catalogue.training_data(configure(recipe, settings(data__name="digits")))
    assert {*changed_settings(config, catalogue.usual(recipe, config))} == {"data.name"}
    config, _ = catalogue.training_data(configure(recipe, settings(data__name="digits", data__transforms="binarize")))
    assert {*changed_settings(config, catalogue.usual(recipe, config))} == {"data.name", "data.transforms"}
    monkeypatch.setattr(catalogue.model_class("vae"), "transforms", {"image": ("dequantize", "logit")})
    config, _ = catalogue.training_data(configure(recipe, settings(data__name="digits")))
    assert {*changed_settings(config, catalogue.usual(recipe, config))} == {"data.name"}


def test_options_and_classes_given_for_other_data_are_theirs():
    mine = {"data": {"options": {"memory": 5}, "classes": "a,b"}}
    for layers in ((mine, settings(data__name="pictures/")), (settings(data__name="pictures/"), mine)):
        data = configure(OWN, *layers).data
        assert (data.options, data.classes) == ({"memory": 5}, ("a", "b"))


@pytest.mark.parametrize("name", ["stargan", "cyclegan-cifar10"])
def test_a_recipe_trains_on_a_folder_of_ones_own(name, tmp_path):
    for number in range(4):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    source = catalogue.source(configure(catalogue.recipe(name), settings(data__name=str(tmp_path))).data)
    assert source.class_names == ("a", "b")


def test_data_that_are_no_settings_are_one_clear_line():
    with pytest.raises(ValueError, match="data is no setting"):
        configure(RECIPE, {"data": 5})


@pytest.mark.parametrize(("text", "classes"), [
    ("001,002", ("001", "002")), ("yes,no", ("yes", "no")), ("1e3", ("1e3",)), ("null, 1-1-1", ("null", "1-1-1")),
    ("[001, no]", ("001", "no")), ("['001', '7']", ("001", "7")), ("[]", ()), ("", ()),
    ("[a]: b", ("[a]: b",)), ("[a, b", ("[a, b",)),
])  # fmt: skip
def test_texts_in_a_list_are_as_they_were_typed(text, classes):
    assert configure(RECIPE, settings(data__classes=text)).data.classes == classes


def test_a_command_gives_texts_back_as_they_were():
    changed = configure(RECIPE, settings(data__classes="001,no,a b"))
    key, value = shlex.split(command(changed, configure(RECIPE)))[3:]
    assert configure(RECIPE, nest({key[2:]: value})) == changed
