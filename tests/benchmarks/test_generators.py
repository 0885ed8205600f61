"""What is read, trained on and called when a generator is left out."""

import numpy as np
import pytest
from PIL import Image
from scipy.special import log_softmax

from benchmarks.generators import recipe
from benchmarks.generators import windows as windows_module
from benchmarks.generators.fronts import FRONTS, features_of
from benchmarks.generators.protocol import HELD_OUT, Fold, leave_out
from benchmarks.generators.table import auc_interval, false_alarm_rows
from benchmarks.generators.verdicts import (
    Budget,
    Names,
    Thresholds,
    choose_thresholds,
    names_in,
    score,
)
from benchmarks.generators.windows import (
    FACTS,
    PROCESSING,
    UNTOUCHED,
    Windows,
    read_windows,
)
from examples.deepfake_v3.errors import InputError
from test_support.photograph import photograph


def facts_of(rows):
    return np.rec.fromrecords(rows, names=FACTS)


def save(image, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two generators, one photograph a split, and one kind of hard negatives."""
    monkeypatch.setattr(windows_module, "SIDE", 32)
    for number, split in enumerate(("train", "val", "test")):
        whole = photograph(56, 64, seed=number)
        save(whole, tmp_path / "photographs" / f"{number}.png")
        save(whole[:32, :32], tmp_path / "hard" / "halved" / split / "real" / "7.png")
        for generator in ("first", "second"):
            for name in ("real", "fake"):
                path = tmp_path / "pairs" / generator / split / name / f"a_{number}.png"
                save(whole[:32, :32] // (1 + (name == "fake")), path)
    return tmp_path


def read(folders):
    return read_windows(
        folders / "pairs", [folders / "photographs"], folders / "hard", seed=3
    )


def test_both_classes_are_processed_in_training_and_compressed_in_test(folders):
    found = read(folders)
    facts = found.facts
    assert found.pixels.shape == (len(facts), 32, 32, 3)

    def kinds(**values):
        chosen = np.ones(len(facts), bool)
        for name, value in values.items():
            chosen &= facts[name] == value
        return set(facts.kind[chosen])

    training = {"set": "pairs", "split": "train"}
    assert len(kinds(**training, label=1) & set(PROCESSING)) >= 2
    assert kinds(set="photographs", split="train") == {UNTOUCHED, *PROCESSING}
    compressed = {UNTOUCHED, "quality 90", "quality 75", "quality 50"}
    for label in (0, 1):
        assert kinds(set="pairs", split="test", label=label) == compressed
    assert kinds(set="processed") == {"halved"}
    np.testing.assert_array_equal(found.pixels, read(folders).pixels)


def test_photographs_are_in_the_split_of_their_windows(folders):
    facts = read(folders).facts
    for number, split in enumerate(("train", "val", "test")):
        of_photograph = (facts.set == "photographs") & (facts.photograph == str(number))
        assert set(facts.split[of_photograph]) == {split}


def test_a_photograph_in_two_splits_is_refused(folders):
    path = folders / "pairs" / "first" / "test" / "real" / "a_0.png"
    save(photograph(32, 32), path)
    with pytest.raises(ValueError, match=r"a_0 are in the splits train and test"):
        read(folders)


def test_a_missing_folder_is_named(folders):
    with pytest.raises(FileNotFoundError, match=r"No such folder: .*nowhere"):
        read_windows(folders / "nowhere", [], folders / "hard")


@pytest.mark.parametrize("front", FRONTS)
def test_every_front_gives_features_that_are_kept(front, tmp_path):
    pixels = np.stack([photograph(96, 96, seed) for seed in range(2)])
    images = Windows(pixels, facts_of([("pairs", "val", "g", 0, UNTOUCHED, "a")] * 2))
    found = features_of(front, images, tmp_path)
    assert found.shape[0] == 2 and found.dtype == np.float32
    assert np.isfinite(found).all() and not np.array_equal(*found)
    np.testing.assert_array_equal(features_of(front, images, tmp_path), found)
    assert len(list(tmp_path.iterdir())) == 1


def test_odds_are_those_of_the_summed_classes():
    names = Names((UNTOUCHED, "blur", "noise"), ("first", "second"))
    probabilities = np.array([[0.1, 0.2, 0.1, 0.4, 0.2]])
    odds = names.odds(np.log(probabilities))
    np.testing.assert_allclose(odds, [[np.log(6), np.log(2)]])
    unknown = names.odds(np.log(probabilities), "blur")
    np.testing.assert_allclose(unknown, [[np.log(6), np.log(6)]])


def test_untouched_ranks_below_processed_below_generated():
    # Like an untouched one; like one processed classically; like a generator's.
    odds = np.array([[-3.0, 9.0], [8.0, -5.0], [8.0, 5.0]])
    scores = score(odds, threshold=0.0)
    assert scores[0] < 0 < scores[1] < 0.5 < scores[2]


def test_thresholds_are_those_of_the_kind_with_most_false_alarms():
    rng = np.random.default_rng(0)
    names = Names((UNTOUCHED, "blur", "median"), ("first",))
    kinds = np.repeat(names.kinds, 1000)
    logits = rng.normal(size=(3000, 4))
    for column in range(3):
        logits[1000 * column : 1000 * (column + 1), column] += 5 - column
    logits = log_softmax(logits, axis=1)
    first, thresholds = choose_thresholds(names, logits, kinds, 0.05)
    odds = names.odds(logits)
    assert np.mean(odds[:1000, 0] >= first) == pytest.approx(0.05, abs=0.002)
    called = score(odds, first) >= thresholds.known
    assert called[2000:].mean() == pytest.approx(0.05, abs=0.002)
    assert called[:2000].mean() < 0.05
    # As if it were no class, a kind is taken for a generator's more often.
    as_unknown = score(names.odds(logits[2000:], "median"), first)
    assert np.mean(as_unknown >= thresholds.unknown) <= 0.05
    assert np.mean(as_unknown >= thresholds.known) > 0.1
    assert thresholds.unknown > thresholds.known


def toy_windows():
    """Features that tell kinds apart: of generators the first, of processing others."""
    rows = []
    for split, count in (("train", 40), ("val", 40), ("test", 20)):
        for number in range(count):
            for generator in ("first", "second", "third"):
                for label in (0, 1):
                    row = ("pairs", split, generator, label, UNTOUCHED, f"{number}")
                    rows.append(row)
            for kind in (UNTOUCHED, *PROCESSING):
                rows.append(("photographs", split, "", 0, kind, f"{number}"))
            rows.append(("processed", split, "", 0, "halved", f"{number}"))
    facts = facts_of(rows)
    features = np.random.default_rng(0).normal(size=(len(facts), 4)).astype("float32")
    features[:, 0] += 6 * facts.label
    features[:, 1] += 6 * ((facts.kind != UNTOUCHED) | (facts.label == 1))
    return features, Windows(np.zeros((len(facts), 1, 1, 3), "uint8"), facts)


def test_what_is_left_out_is_told_from_real_windows_and_not_trained_on():
    features, windows = toy_windows()
    budget = Budget(hidden_units=0, epochs=10)
    fold = leave_out(features, windows, "second", "median", budget, seed=0)
    assert set(fold.facts.generator) == {"second", ""}
    assert "train" not in fold.facts.split
    assert fold.auc() > 0.95
    known = fold.thresholds.known
    assert fold.called_fake(known, label=1).mean() > 0.6
    assert fold.called_fake(known, set="processed").mean() < 0.2
    # Had its labels counted, so would a generator whose features lie.
    lying = features.copy()
    lying[windows.facts.generator == "second"] *= -1
    assert leave_out(lying, windows, "second", "median", budget, 0).auc() < 0.05


@pytest.mark.parametrize("held_out", HELD_OUT)
def test_classes_are_those_that_are_trained_on(held_out):
    facts = toy_windows()[1].facts
    known = facts[~np.isin(facts.kind, (*HELD_OUT[held_out], "halved"))]
    kinds = [kind for kind in PROCESSING if kind not in HELD_OUT[held_out]]
    assert names_in(known) == Names((UNTOUCHED, *kinds), ("first", "second", "third"))


def test_tables_count_what_was_called():
    rows = [("pairs", "test", "g", each % 2, UNTOUCHED, f"{each}") for each in range(8)]
    rows += [("processed", "test", "", 0, "halved", f"{each}") for each in range(4)]
    for kind in (UNTOUCHED, *PROCESSING):
        rows += [("photographs", "test", "", 0, kind, f"{each}") for each in range(2)]
    facts = facts_of(rows)
    scores = np.where(facts.label == 1, 0.9, 0.1)
    scores[8] = 0.95
    fold = Fold(facts, scores, Thresholds(0.5, 0.92))
    assert fold.auc() == 1
    assert fold.auc_against(set="processed") == pytest.approx(0.75)
    assert auc_interval([fold]) == "1.000 to 1.000"
    first, *others = false_alarm_rows([fold, fold], "nothing")
    assert first[:3] == ["nothing", "halved", "4 files"]
    assert first[3] == first[4] == "0.25 (0.00 to 0.75)"
    assert [row[1] for row in others] == [UNTOUCHED, *PROCESSING]


def test_recipe_lists_leave_one_generator_out(folders):
    benchmark = recipe.Benchmark(
        pairs_dir=str(folders / "pairs"),
        hard_negatives_dir=str(folders / "hard"),
        weights="none.h5",
        generators=("first",),
    )
    lists = recipe.lists_of(benchmark, "first")
    sizes = {name: len(each.paths) for name, each in lists.items()}
    assert sizes == {"train": 2, "val": 2, "left out": 4, "halved": 2}
    assert all("second" in str(path) for path in lists["train"].paths)
    assert all("first" in str(path) for path in lists["left out"].paths)
    with pytest.raises(InputError, match=r"`generators` must be among first, second"):
        recipe.lists_of(benchmark, "third")


def test_recipe_counts_at_the_threshold_of_untouched_photographs():
    scores = {
        "val": {"labels": [0] * 20 + [1], "scores": [*np.linspace(0, 0.38, 20), 0.9]},
        "left out": {"labels": [0, 0, 1, 1], "scores": [0.1, 0.6, 0.3, 0.8]},
        "halved": {"labels": [0, 0], "scores": [0.9, 0.2]},
    }
    measured = recipe.measure(scores)
    assert measured == {
        **{"AUC": 0.75, "fakes found": 0.5, "untouched": 0.5},
        "halved": 0.5,
    }
    assert recipe.describe([measured, measured]) == [
        *("0.750 ± 0.000", "0.50 ± 0.00", "0.50 ± 0.00", "0.50 ± 0.00")
    ]
