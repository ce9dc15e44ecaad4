"""The model that says which two records are probably one person, with the reason in words.

Splink compares pairs that share a point, or name and something else (`_BLOCKS`), field by field, and weighs what agrees by how
rarely it agrees by chance: "Nguyen" less than "Okafor", an e-mail address more than a town (Fellegi and Sunter). From TRAIN_MIN
records on the weights are trained on the records themselves; below, the weights of `model.json` are used.

What the weights cannot know is added as a rule: members of a household share name, address and often number and mailbox. Two
records whose given names have nothing in common are one person only if they were born on one day, and then a clerk must look,
for it may be twins; the same where a given name is an initial, or the dates of birth differ by more than a slip. Dates far
apart are never one person. Given and family name in each other's place are taken as told the other way round.

Risk is what the model leaves over, in millionths: a pair of 200 is wrong once in 5,000 times, as far as its weights are right.
The measurement of `tapthread likeness --measure` says how right they were where the truth is known.
"""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sync.central.likeness.nicknames import are_akin, plain

TRAIN_MIN: Final = 5_000
"""Records from which on a model of their own is better than the one that comes with the product (measured)."""

SUGGEST_RISK_PPM: Final = 100_000
"""What a clerk is still asked about: one in ten is wrong at most. Below that it would teach them to press No."""

DOUBT_RISK_PPM: Final = 50_000
"""The least risk of a pair that may be brother and sister, father and son, or twins."""

SLIPS_MAX: Final = 2
"""Digits of a date of birth that two slips of a pen change."""

APART_MAX: Final = 4
"""Digits of a date of birth that still may be slips; a generation later more are others."""

MILLION: Final = 1_000_000
SEED: Final = 20_260_701
"""Of the random pairs training looks at: the same records give the same weights."""

MODEL_FILE: Final = Path(__file__).with_name("model.json")

_FIELDS: Final = {
    "given_name": "given name", "family_name": "family name", "birth_date": "date of birth", "phones": "telephone number",
    "emails": "e-mail address", "street": "street", "postcode": "postcode",
}  # fmt: skip
"""What is compared, and how people call it."""
_LISTS: Final = frozenset(("phones", "emails"))


@dataclass(frozen=True, slots=True)
class Person:
    """One customer record, as far as it is compared. Its `repr` shows nothing of it.

    Attributes:
        id: Customer id.
        birth_date: "1987-04-03", "" when not told.
        phones, emails: Normalised.
    """

    id: str
    given_name: str = field(default="", repr=False)
    family_name: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)
    emails: tuple[str, ...] = field(default=(), repr=False)
    street: str = field(default="", repr=False)
    postcode: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Likely:
    """Two records that are probably one person.

    Attributes:
        risk_ppm: How probably they are not, in millionths.
        same, alike, unlike: Fields that are the same, nearly the same, and different; those nobody told are in none.
    """

    one: str
    other: str
    risk_ppm: int
    same: tuple[str, ...]
    alike: tuple[str, ...]
    unlike: tuple[str, ...]

    @property
    def why(self) -> str:
        """The reason in words, for a clerk."""
        parts = (
            ("same", self.same),
            ("nearly the same", self.alike),
            ("different", self.unlike),
        )
        return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)


def likely_pairs(
    people: Sequence[Person],
    *,
    risk_ppm: int = SUGGEST_RISK_PPM,
    engine: str = "duckdb",
    model: Path | None = None,
) -> tuple[Likely, ...]:
    """Pairs whose risk is at most `risk_ppm`, the surest first.

    Args:
        people: Records; ids are unique.
        risk_ppm: Millionths.
        engine: duckdb | spark.
        model: Weights to use; None trains them, or takes those that come with the product for fewer than TRAIN_MIN records.
    """
    if len(people) < 2:
        return ()
    by_id = {person.id: person for person in people}
    with _quiet(), _tables(engine) as tables:
        linker = tables.linker(people, _model(len(people), model))
        if model is None and len(people) >= TRAIN_MIN:
            _train(linker)
        found = linker.inference.predict(threshold_match_probability=1 - risk_ppm / MILLION)
        lines = found.as_record_list()
    pairs = (_likely(line, by_id) for line in lines)
    kept = (pair for pair in pairs if pair is not None)
    return tuple(sorted(kept, key=lambda it: (it.risk_ppm, it.one, it.other)))


def train(people: Sequence[Person], file: Path) -> None:
    """Train on these records and keep the weights: how `model.json` was made."""
    with _quiet(), _tables("duckdb") as tables:
        linker = tables.linker(people, _settings())
        _train(linker)
        model = linker.misc.save_model_to_json()
    file.write_text(json.dumps(model, indent=1, sort_keys=True) + "\n", "utf-8")


def _model(n_people: int, model: Path | None) -> Any:
    if model is None and n_people >= TRAIN_MIN:
        return _settings()
    return json.loads((model or MODEL_FILE).read_text("utf-8"))


def _settings() -> Any:
    """What is compared and how; weights are found in training."""
    import splink.comparison_library as compare
    from splink import SettingsCreator, block_on

    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=[
            compare.NameComparison("given_name").configure(term_frequency_adjustments=True),
            compare.NameComparison("family_name").configure(term_frequency_adjustments=True),
            compare.DamerauLevenshteinAtThresholds("birth_date", [1, 2]),
            compare.ArrayIntersectAtSizes("phones", [1]),
            compare.ArrayIntersectAtSizes("emails", [1]),
            compare.JaroWinklerAtThresholds("street", [0.92, 0.8]),
            compare.DamerauLevenshteinAtThresholds("postcode", [1]),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("phones", arrays_to_explode=["phones"]),
            block_on("emails", arrays_to_explode=["emails"]),
            block_on("given_name", "family_name", "postcode"),
            block_on("family_name", "birth_date"),
            block_on("given_name", "birth_date"),
            block_on("street", "postcode"),
            block_on("postcode", "birth_date"),
        ],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
        unique_id_column_name="id",
    )


def _train(linker: Any) -> None:
    from splink import block_on

    sure = [
        block_on("given_name", "family_name", "birth_date"),
        block_on("emails", "given_name", arrays_to_explode=["emails"]),
    ]
    training = linker.training
    training.estimate_probability_two_random_records_match(sure, recall=0.6)
    training.estimate_u_using_random_sampling(max_pairs=2e6, seed=SEED)
    # Each pass learns all but what its pairs were chosen by.
    training.estimate_parameters_using_expectation_maximisation(
        block_on("given_name", "family_name")
    )
    training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))


def _likely(line: dict[str, Any], people: dict[str, Person]) -> Likely | None:
    one, other = sorted((str(line["id_l"]), str(line["id_r"])))
    least = _least_risk(people[one], people[other])
    if least is None:
        return None
    same, alike, unlike = [], [], []
    for name, words in _FIELDS.items():
        left, right = getattr(people[one], name), getattr(people[other], name)
        if not left or not right:
            continue
        if left == right or (isinstance(left, tuple) and set(left) & set(right)):
            same.append(words)
        elif float(line[f"mw_{name}"]) > 0:
            alike.append(words)
        else:
            unlike.append(words)
    risk = round((1 - float(line["match_probability"])) * MILLION)
    return Likely(one, other, max(risk, least), tuple(same), tuple(alike), tuple(unlike))


def _least_risk(one: Person, other: Person) -> int | None:
    """What the weights cannot know, two people of one household: the least risk of such a pair; None for no pair at all."""
    n_apart = _digits_apart(one.birth_date, other.birth_date)
    is_swapped = _is_name(one.given_name, other.family_name) and _is_name(
        one.family_name, other.given_name
    )
    has_akin = is_swapped or are_akin(one.given_name, other.given_name)
    if n_apart > APART_MAX or (not has_akin and n_apart != 0):
        return None
    has_names = min(len(plain(one.given_name)), len(plain(other.given_name))) > 1
    return 1 if has_akin and has_names and n_apart <= SLIPS_MAX else DOUBT_RISK_PPM


def _is_name(one: str, other: str) -> bool:
    return bool(one and other) and are_akin(one, other)


def _digits_apart(one: str, other: str) -> int:
    """How many digits of two dates of birth differ; -1 where one is not known."""
    if not one or not other:
        return -1
    return sum(a != b for a, b in zip(one, other, strict=False))


class _Tables:
    """Records as a table of one engine."""

    def __init__(self, api: Any, made: Any) -> None:
        self._api = api
        self._made = made

    def linker(self, people: Sequence[Person], settings: Any) -> Any:
        """A linker over these records."""
        from splink import Linker

        table = self._api.register(self._made(people))
        return Linker(table, settings, log_level="ERROR", validate_settings=False)


@contextlib.contextmanager
def _tables(engine: str) -> Iterator[_Tables]:
    """Where the pairs are made: in memory, in this process; or by Spark."""
    if engine == "spark":
        with _spark() as tables:
            yield tables
        return
    import duckdb
    from splink.backends.duckdb import DuckDBAPI

    connection = duckdb.connect(":memory:")
    try:
        # It draws a bar on standard output by itself where a step takes two seconds.
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"SET threads TO {max(os.cpu_count() or 1, 1)}")
        yield _Tables(DuckDBAPI(connection=connection), _arrow)
    finally:
        connection.close()


@contextlib.contextmanager
def _spark() -> Iterator[_Tables]:
    """Spark in local mode: the same model, for customers that outgrow one machine's memory."""
    from pyspark.sql import SparkSession
    from splink.backends.spark import SparkAPI, similarity_jar_location

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", similarity_jar_location())
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    try:
        spark.sparkContext.setLogLevel("ERROR")
        api = SparkAPI(  # type: ignore[no-untyped-call]  # as Splink has it
            spark_session=spark, num_partitions_on_repartition=4, break_lineage_method="persist"
        )
        kinds = (f"{name} {_spark_kind(name)}" for name in ("id", *_FIELDS))
        schema = ", ".join(kinds)
        yield _Tables(api, lambda people: spark.createDataFrame(_lines(people), schema))
    finally:
        spark.stop()


def _spark_kind(name: str) -> str:
    return "array<string>" if name in _LISTS else "string"


def _lines(people: Sequence[Person]) -> list[tuple[object, ...]]:
    return [tuple(_value(getattr(it, name)) for name in ("id", *_FIELDS)) for it in people]


def _arrow(people: Sequence[Person]) -> Any:
    import pyarrow as pa

    names = ("id", *_FIELDS)
    columns = {name: [_value(getattr(person, name)) for person in people] for name in names}
    kinds = {name: pa.list_(pa.string()) if name in _LISTS else pa.string() for name in names}
    return pa.table(columns, schema=pa.schema(list(kinds.items())))


def _value(told: str | tuple[str, ...]) -> object:
    """What nobody told is null: it says nothing for and nothing against."""
    if not told:
        return None
    return list(told) if isinstance(told, tuple) else told


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Splink speaks of its training on the log and in warnings; what matters of it is in the measurement."""
    log = logging.getLogger("splink")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
