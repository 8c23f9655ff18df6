from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import settings as configs
from isthmus.config import SECTIONS, Config, DataConfig, ModelConfig
from isthmus.errors import UsageError
from isthmus.settings import build, parse_sets, read
from isthmus.training_config import TrainingConfig

# Paths and column names may contain anything; "none" means an unset value in the file.
texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "none")


def reread(config: Config) -> Config:
    return build(tomllib.loads(configs.write(config)))


@given(source=texts, key=st.none() | texts, dropped=st.lists(texts, max_size=3), noise=texts)
def test_any_text_survives_the_file(source: str, key: str | None, dropped: list[str], noise: str) -> None:
    data = DataConfig(source=source, key=key, label=key, delimiter=key, drop_columns=tuple(dropped))
    config = Config(data=data, model=ModelConfig(noise=noise, weights={source: 0.5}))
    assert reread(config) == config


@given(
    lr=st.floats(min_value=0, max_value=10, exclude_min=True),
    clip=st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=True, allow_nan=False),
    betas=st.tuples(st.floats(0, 0.9999), st.floats(0, 0.9999)),
    hidden=st.lists(st.integers(1, 65_536), max_size=4),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_number_survives_the_file_bit_for_bit(
    lr: float, clip: float | None, betas: tuple, hidden: list, seed: int
) -> None:
    config = Config(
        model=ModelConfig(hidden=tuple(hidden)), training=TrainingConfig(lr=lr, clip=clip, betas=betas, seed=seed)
    )
    assert reread(config) == config


@pytest.mark.parametrize(
    "name",
    [
        "my data.csv",
        'a "quoted" name',
        "it's",
        "two\nlines",
        "tab\there",
        "日本語 – ñ",
        "\x00\x1f\x7f\u2028",
        "\\n",
        "x" * 250,
    ],
)
def test_fault_66_hostile_names_survive_the_file(name: str, tmp_path: Path) -> None:
    config = Config(data=DataConfig(source=name, test=name, drop_columns=(name,)))
    (tmp_path / "config.toml").write_text(configs.write(config), encoding="utf-8")
    assert build(configs.read(tmp_path / "config.toml")) == config


def test_a_name_that_is_not_unicode_is_refused_before_it_is_written() -> None:
    with pytest.raises(UsageError, match=r"caf\\udce9.csv.* is not Unicode text"):
        build({"data": {"source": "caf\udce9.csv"}})


def test_the_file_is_toml_with_a_section_each_and_no_null() -> None:
    found = tomllib.loads(configs.write(Config()))
    assert list(found) == ["recipe", *SECTIONS]
    for section, cls in SECTIONS.items():
        assert list(found[section]) == [f.name for f in fields(cls)]
    assert found["data"]["limit"] == "none"
    assert Config().as_dict()["training"]["patience"] == "none"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"model": {"z_size": 0}}, "model.z_size is 0, but must be at least 1."),
        ({"model": {"z_size": 10**9}}, "model.z_size is 1000000000, but must be at most 65,536."),
        ({"model": {"z_size": 2.5}}, "model.z_size is 2.5, but must be a whole number."),
        ({"model": {"hidden": [512, 2**31]}}, "value 2 of model.hidden is 2147483648, but must be at most 65,536."),
        ({"model": {"hidden": [0]}}, "value 1 of model.hidden is 0, but must be at least 1."),
        ({"model": {"hidden": "many"}}, "model.hidden is 'many', but must be a list."),
        ({"model": {"hidden": [1] * 65}}, "model.hidden is [1, 1, "),
        ({"model": {"hidden": [1] * 65}}, ", but must have at most 64 values, not 65."),
        ({"model": {"dropout": 1.0}}, "model.dropout is 1.0, but must be at most 0.9."),
        (
            {"model": {"init": "os.system"}},
            "model.init is 'os.system', but must be 'auto', 'framework', 'he-normal', 'orthogonal' or 'components'.",
        ),
        ({"training": {"lr": 0}}, "training.lr is 0, but must be more than 0."),
        ({"training": {"lr": "fast"}}, "training.lr is 'fast', but must be a number."),
        ({"training": {"lr": float("nan")}}, "training.lr is nan, but must be at most 10."),
        ({"training": {"lr": 1e9}}, "training.lr is 1000000000.0, but must be at most 10."),
        ({"training": {"epochs": 10**12}}, "training.epochs is 1000000000000, but must be at most 1,000,000,000."),
        ({"training": {"epochs": 2.5}}, "training.epochs is 2.5, but must be a whole number."),
        ({"training": {"batch_size": -1}}, "training.batch_size is -1, but must be at least 1."),
        ({"training": {"betas": [0.9, 1.0]}}, "value 2 of training.betas is 1.0, but must be less than 1."),
        ({"training": {"betas": [0.9]}}, "value 2 of training.betas is missing."),
        ({"training": {"seed": -1}}, "training.seed is -1, but must be at least 0."),
        ({"training": {"threads": 0}}, "training.threads is 0, but must be at least 1."),
        ({"training": {"clip": 0}}, "training.clip is 0, but must be more than 0."),
        ({"training": {"weight_decay": -0.1}}, "training.weight_decay is -0.1, but must be at least 0."),
        ({"model": {"weights": {"kl": float("inf")}}}, "model.weights.kl is inf, but must be at most 1e+09."),
        ({"model": {"weights": [1]}}, "model.weights is [1], but must be names with values."),
        ({"data": {"limit": 0}}, "data.limit is 0, but must be at least 1."),
        ({"data": {"gray": "maybe"}}, "data.gray is 'maybe', but must be true or false."),
        ({"data": {"source": 3}}, "data.source is 3, but must be text."),
        ({"recipe": ""}, "recipe is '', but must have at least 1 character."),
        ({"model": 3}, "model is 3, but must be a section with names and values."),
    ],
)
def test_fault_64_numbers_out_of_bounds_are_refused_before_anything_is_built(values: dict, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(values, where="config.toml")
    assert caught.value.message.startswith("config.toml: ")
    assert problem in caught.value.message
    assert caught.value.fix == "correct it; see `isthmus train --help`"


@pytest.mark.parametrize(
    ("values", "name", "fix"),
    [
        ({"model": {"z_siez": 8}}, "model.z_siez", "did you mean 'model.z_size'?"),
        ({"model": {"lr": 8}}, "model.lr", "did you mean 'training.lr'?"),
        ({"model": {"foo": 8}}, "model.foo", "use one of: network, hidden, activation, "),
        ({"training": {"trehads": 1}}, "training.trehads", "did you mean 'training.threads'?"),
        ({"lr": 0.1}, "lr", "did you mean 'training.lr'?"),
        ({"modle": {"z_size": 8}}, "modle", "did you mean 'model.NAME'?"),
        ({"model": {"_target_": "os.system"}}, "model._target_", ""),
    ],
)
def test_unknown_settings_suggest_the_nearest(values: dict, name: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        build(values)
    assert caught.value.message == f"settings: there is no setting {name!r}."
    assert str(caught.value.fix).startswith(fix)


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(UsageError, match="2 settings are invalid") as caught:
        build({"model": {"z_size": 0}, "training": {"lr": -1}})
    assert [problem.partition(" is")[0] for problem in caught.value.problems] == ["model.z_size", "training.lr"]


def test_bare_names_find_their_section() -> None:
    assert configs.where_is("z_size") == "model.z_size"
    assert configs.where_is("training.lr") == "training.lr"
    assert configs.where_is("recipe") == "recipe"
    assert configs.nest({"z_size": 8, "training.lr": 0.1, "recipe": "seed"}) == {
        "model": {"z_size": 8},
        "training": {"lr": 0.1},
        "recipe": "seed",
    }
    with pytest.raises(UsageError, match=r"there is no setting 'training'\.\nfix: did you mean 'training\.NAME'\?"):
        configs.nest({"training": 8})
    with pytest.raises(UsageError, match="there is no setting 'zsize'") as caught:
        configs.nest({"zsize": 8})
    assert caught.value.fix == "did you mean 'model.z_size'?"


def test_later_layers_win_setting_by_setting() -> None:
    merged = configs.merge(
        {"recipe": "seed", "model": {"z_size": 8, "noise": "none"}},
        {"model": {"z_size": 16}},
        {"training": {"lr": 0.1}},
    )
    assert merged == {"recipe": "seed", "model": {"z_size": 16, "noise": "none"}, "training": {"lr": 0.1}}


@pytest.mark.parametrize("layers", [({"model": 3}, {"model": {"z_size": 8}}), ({"model": {"z_size": 8}}, {"model": 3})])
def test_a_section_that_is_no_section_is_refused(layers: tuple) -> None:
    with pytest.raises(UsageError, match=r"\[model\] is 3, not a section"):
        configs.merge(*layers)


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        (["training.lr=1e-3"], ("training", "lr", 1e-3)),
        (["hidden=64, 32"], ("model", "hidden", (64, 32))),
        (["hidden="], ("model", "hidden", ())),
        (["betas=0.8,0.9"], ("training", "betas", (0.8, 0.9))),
        (["gray=true"], ("data", "gray", True)),
        (["patience=none"], ("training", "patience", None)),
        (["drop_columns=a,b"], ("data", "drop_columns", ("a", "b"))),
        (["weights=kl:0.5,l2:2"], ("model", "weights", {"kl": 0.5, "l2": 2.0})),
        (["source=a=b.csv"], ("data", "source", "a=b.csv")),
    ],
)
def test_set_reads_a_value_by_the_type_of_its_setting(pairs: list[str], found: tuple) -> None:
    section, name, value = found
    assert getattr(getattr(build(parse_sets(pairs)), section), name) == value


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("lr", "--set 'lr' has no '='"),
        ("speed=3", "there is no setting 'speed'"),
        ("weights=kl", "--set 'weights=kl'"),
        ("model=3", "there is no setting 'model'"),
    ],
)
def test_set_refuses_what_is_no_setting(pair: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(parse_sets([pair]))


def test_a_missing_or_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*absent.toml"):
        configs.read(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("[model]\nz_size = \n")
    with pytest.raises(UsageError, match=r"broken.toml is not TOML: .*line 2"):
        configs.read(tmp_path / "broken.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary.toml is not text in UTF-8: byte 0 is 0xff"):
        configs.read(tmp_path / "binary.toml")
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory"):
        configs.read(tmp_path)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("mse", "gaussian"),
        ("MSE", "gaussian"),
        ("bce", "bernoulli"),
        ("bce,output=probabilities", "bernoulli,output=probabilities"),
        ("l1", "laplace"),
        ("mae", "laplace"),
        ("laplace", "laplace"),
        ("auto", "auto"),
        ("ssim", "ssim"),  # the likelihoods refuse them
    ],
)
def test_costs_are_known_by_what_the_field_calls_them(given: str, known: str) -> None:
    config = build({"model": {"likelihood": given}})
    assert config.model.likelihood == known
    assert f'likelihood = "{known}"' in configs.write(config)


def test_fault_103_the_settings_of_a_run_from_before_keep_its_rules_and_hand_written_ones_do_not(
    tmp_path: Path,
) -> None:
    then = configs.write(Config()).replace('split = "stratified"\n', "").replace('digits = "auto"\n', "")
    by_hand = "[data]\nsource = 'wine.csv'\n"
    found = {}
    for name, text in (("then", then), ("now", configs.write(Config())), ("by hand", by_hand)):
        (tmp_path / "config.toml").write_text(text)
        data = build(configs.read(tmp_path / "config.toml")).data
        found[name] = (data.split, data.digits)
    assert found == {
        "then": ("shuffled", "float32"),
        "now": ("stratified", "auto"),
        "by hand": ("stratified", "auto"),
    }


DEEP = {
    "lists": f"a = {'[' * 5000}{']' * 5000}",
    "tables": f"a = {'{b=' * 5000}1{'}' * 5000}",
    "names": f"[model]\nweights.{'.'.join('a' * 5000)} = 1",
    "digits": f"[training]\nseed = {'1' * 5000}",
    "layers": f"[model]\nhidden = [{'8,' * 65}]",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_fault_64_what_is_nested_too_deep_or_of_too_many_is_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        build(read(tmp_path / "c.toml"))
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 2_000


def test_fault_116_a_mark_before_the_text_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + configs.write(Config()).replace("\n", "\r\n").encode())  # as Notepad saves it
    assert build(read(path)) == Config()


@pytest.mark.parametrize(("encoding", "told"), [("utf-16", "byte 0 is 0xff"), ("latin-1", "byte 10 is 0xe4")])
def test_fault_116_another_encoding_is_named(encoding: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes('recipe = "ä"'.encode(encoding))
    with pytest.raises(UsageError, match=rf"config\.toml is not text in UTF-8: {told}") as caught:
        read(path)
    assert caught.value.fix == "save it as UTF-8 in your editor"
