"""What an audit's measurements mean: warnings, which matter, and notes."""

from collections.abc import Mapping, Sequence
from typing import Any

from examples.deepfake_v3.loading.data import CLASS_NAMES, SPLITS

LEAK_AUC = 0.6
"""Above this, what file facts alone reach is a warning."""

SMOOTHNESS_AUC = 0.75
"""Above this, what noise and blockiness alone reach is a warning."""

IMBALANCE = 2  # images of one class for one of the other, from which it is noted


def judge(result: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Says what was found.

    Args:
        result: What `audit_data_dir` measured.

    Returns:
        `(warnings, notes)`, lists of sentences.
    """
    warnings, notes = [], []
    leak = result["leak"]
    if leak["value"] is None:
        notes.append(f"What file facts reach could not be measured: {leak['reason']}.")
    warnings += _leaks(leak)
    warnings += [_origin(row) for row in result["origins"] if row["tells"]]
    smoother, noisier = _smoothness(result["smoothness"])
    warnings += smoother
    notes += noisier
    warnings += _inverted(result["directions"])
    for place, (count, total) in result["misnamed"].items():
        warnings.append(
            f"{count} of {total} files in {place} have the other class in their name."
        )
    for kind in ("exact", "near"):
        sets = result[f"{kind}_duplicates"]
        across = [each for each in sets if each["across_splits"]]
        rest = [each for each in sets if not each["across_splits"]]
        both = [each for each in rest if each["across_classes"]]
        inside = [each for each in rest if not each["across_classes"]]
        if across:
            warnings.append(f"{_describe_sets(across, kind)} across splits.")
        if both:
            # A fake may well look like the photograph that it was made from.
            (warnings if kind == "exact" else notes).append(
                f"{_describe_sets(both, kind)} in both classes of a split."
            )
        if inside:
            notes.append(f"{_describe_sets(inside, kind)} inside one folder.")
    if result["without_hash"]:
        notes.append(
            f"Too flat to look for near duplicates: {_count(result['without_hash'])}."
        )
    groups = result["groups"]
    if groups["across_splits"]:
        warnings.append(
            f"In more than one split: {len(groups['across_splits'])} of "
            f"{_count(groups['count'], 'group')}."
        )
    if not groups["source"]:
        notes.append(
            "No groups are known, so nobody can say whether a video or a person is in "
            "two splits."
        )
    elif groups["images_without"]:
        notes.append(f"In no group: {_count(groups['images_without'])}.")
    if result["other_folders"]:
        notes.append(
            f"Of no class, and not used: {', '.join(result['other_folders'])}."
        )
    if result["unusable"]:
        warnings.append(f"Not usable: {_count(len(result['unusable']), 'file')}.")
    for split, counts in result["counts"].items():
        empty = [name for name in CLASS_NAMES if not counts[name]]
        warnings += [f"No usable image in {split}/{name}." for name in empty]
        few, many = sorted(counts, key=counts.__getitem__)
        if not empty and counts[many] >= IMBALANCE * counts[few]:
            notes.append(
                f"{split} has {counts[many] / counts[few]:.1f} {many} images for one "
                f"{few} image."
            )
    return warnings, notes


def _leaks(leak: Mapping[str, Any]) -> list[str]:
    text = "A classifier that sees only file facts reaches AUC"
    if leak["value"] is not None and leak["value"] > LEAK_AUC:
        strongest = leak["facts"][0]
        chance = " With so few images this may be chance." * (leak["low"] <= 0.5)
        return [
            f"{text} {_interval(leak)}, most by {strongest['name']}: real "
            f"{strongest['real']}; fake {strongest['fake']}.{chance}"
        ]
    # Splits that leak in opposite directions hide it from the whole. Small ones may
    # reach it by chance, so the interval counts, too.
    return [
        f"{text} {_interval(auc)} inside {split}."
        for split, auc in leak["splits"].items()
        if auc["value"] is not None and auc["value"] > LEAK_AUC and auc["low"] > 0.5
    ]


def _origin(row: Mapping[str, Any]) -> str:
    value = f" {row['value']!r}" if row["value"] else ""
    such = "" if row["by_value"] or not value else " such as"
    shares = " and ".join(
        f"{row[name]} of {row['images'][name]} {name}" for name in CLASS_NAMES
    )
    return (
        f"Marks of where files come from tell the classes apart: {row['name']} "
        f"({row['kind']}{such}{value}) is in {shares} files."
    )


def _smoothness(smoothness: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """A warning where fakes are plainly smoother, a note where they are noisier."""
    if smoothness["value"] is None or smoothness["value"] <= SMOOTHNESS_AUC:
        return [], []
    real, fake = (
        smoothness["medians"][name].get("noise_green", 0) for name in CLASS_NAMES
    )
    text = (
        f"Smoothness alone, noise and blockiness, reaches AUC {_interval(smoothness)}: "
        f"the noise of fakes is {fake:.3g} grey levels, that of reals {real:.3g}."
    )
    if fake > real:
        return [], [text]
    return [
        f"{text} A detector trained on these may call photographs fake that were "
        "merely resized or filtered."
    ], []


def _interval(auc: Mapping[str, Any]) -> str:
    return f"{auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f})"


def _count(number: int, noun: str = "image") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _describe_sets(sets: Sequence[Mapping[str, Any]], kind: str) -> str:
    candidates = "" if kind == "exact" else "candidates for "
    files = sum(len(each["files"]) for each in sets)
    return (
        f"{_count(len(sets), 'set')} of {candidates}{kind} duplicates "
        f"({_count(files, 'file')})"
    )


def _inverted(directions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Splits in which the classes look exchanged, by what transfers between splits."""
    rows_of: dict[tuple[str, frozenset[str]], list[Mapping[str, Any]]] = {}
    for row in directions:
        pair = frozenset((row["fitted"], row["scored"]))
        rows_of.setdefault((row["by"], pair), []).append(row)
    against = {
        pair: min(rows, key=lambda row: row["value"])
        for (_, pair), rows in rows_of.items()
        if any(row["high"] < 0.5 for row in rows)
        and not any(row["low"] > 0.5 for row in rows)
    }

    def sentence(looks: str, row: Mapping[str, Any]) -> str:
        return (
            f"{looks} inverted, or its fakes are of another kind: what tells the "
            f"classes apart in {row['fitted']} by {row['by']} reaches AUC "
            f"{row['value']:.2f} in {row['scored']}."
        )

    # Who contradicts both others, while they agree, is the odd one out.
    odd = [s for s in SPLITS if sum(s in pair for pair in against) == len(SPLITS) - 1]
    if len(odd) == 1:
        worst = min(against.values(), key=lambda row: row["value"])
        return [sentence(f"{odd[0]} looks", worst)]
    return [
        sentence(f"{row['fitted']} or {row['scored']} looks", row)
        for row in against.values()
    ]
