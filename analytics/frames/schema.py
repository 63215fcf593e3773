"""Columns of frames, declared once and checked whenever a frame is made.

Amounts are integers: micro-credits end in ``_micro``, money in ``_cents`` with its currency beside it. Instants are
``datetime64[us, UTC]``. Days are ``datetime64[us]`` at midnight without a zone, because a day is a date of the company
zone and not an instant. Rows are read value by value into the declared types, so nothing is guessed: a nullable integer
stays an integer and a sum that a database answers as NUMERIC is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import sqlalchemy as sa
from pandas.arrays import ArrowStringArray, IntegerArray

from analytics.frames.asking import plain_rows

INTEGER = "int64"
MAYBE_INTEGER = "Int64"
TEXT = "str"
FLAG = "bool"
REAL = "float64"
INSTANT = "datetime64[us, UTC]"
DAY = "datetime64[us]"
VALUE = "object"

_EXACT_SUFFIXES = ("_micro", "_cents")


class FrameError(TypeError):
    """A frame is not what its schema says: a mistake of ours, never of the data."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its dtype and what it means, unit included."""

    name: str
    dtype: str
    meaning: str

    def __post_init__(self) -> None:
        if self.name.endswith(_EXACT_SUFFIXES) and self.dtype not in (INTEGER, MAYBE_INTEGER):
            raise FrameError(f"{self.name} holds an amount, so it must be an integer column, not {self.dtype}")


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a frame and what one row is."""

    row: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _labels: pd.Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once: pandas needs as long for the labels of a frame as for the columns below them.
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        object.__setattr__(self, "_labels", pd.Index(self.names))

    def load(self, result: sa.CursorResult[*tuple[Any, ...]]) -> pd.DataFrame:
        """The frame of an answer whose labels are the columns of this schema, in this order."""
        return self.frame(self.read(result))

    def read(self, result: sa.CursorResult[*tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
        """The columns of an answer as Python values, for a loader that adds some before it makes the frame."""
        names = tuple(result.keys())
        if names != self.names:
            raise FrameError(f"the answer has {names}, the schema wants {self.names}")
        found = plain_rows(result)
        return dict(zip(names, zip(*found, strict=True), strict=True)) if found else dict.fromkeys(names, ())

    def frame(self, values: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """A frame from columns of Python values; no columns at all make an empty frame of the right dtypes."""
        given = [values[name] if values else () for name in self.names]
        instants = iter(_instants([part for c, part in zip(self.columns, given, strict=True) if c.dtype == INSTANT]))
        arrays = [
            next(instants) if c.dtype == INSTANT else _array(c, part)
            for c, part in zip(self.columns, given, strict=True)
        ]
        # The public constructor looks at each column again and takes five times as long; this one checks lengths only.
        frame: pd.DataFrame = pd.DataFrame._from_arrays(  # type: ignore[attr-defined]
            arrays, self._labels, pd.RangeIndex(len(arrays[0])), verify_integrity=False
        )
        return frame

    def check(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame itself, or FrameError when a column is missing, superfluous, misplaced or of another dtype."""
        if tuple(frame.columns) != self.names:
            raise FrameError(f"columns are {tuple(frame.columns)}, the schema wants {self.names}")
        for column, found in zip(self.columns, map(str, frame.dtypes), strict=True):
            if found != column.dtype:
                raise FrameError(f"{column.name} is {found}, the schema wants {column.dtype}")
        return frame

    def empty(self) -> pd.DataFrame:
        """A frame without rows."""
        return self.frame({})

    def extended(self, row: str, *columns: Column) -> "Schema":
        """The same columns and some more behind them."""
        return Schema(row, (*self.columns, *columns))


def micro(name: str, meaning: str) -> Column:
    """An amount in micro-credits."""
    return Column(name, INTEGER, f"{meaning}, micro-credits")


def whole(name: str, meaning: str) -> Column:
    """A count or an id."""
    return Column(name, INTEGER, meaning)


def maybe_whole(name: str, meaning: str) -> Column:
    """A count, an id or cents that may be absent."""
    return Column(name, MAYBE_INTEGER, meaning)


def text(name: str, meaning: str) -> Column:
    """A text; NaN when absent."""
    return Column(name, TEXT, meaning)


def instant(name: str, meaning: str) -> Column:
    """An instant in UTC; NaT when absent."""
    return Column(name, INSTANT, meaning)


def day(name: str, meaning: str) -> Column:
    """A day of the company zone at midnight without a zone; NaT when absent."""
    return Column(name, DAY, meaning)


def real(name: str, meaning: str) -> Column:
    """A ratio or an estimate; NaN when absent."""
    return Column(name, REAL, meaning)


def value(name: str, meaning: str) -> Column:
    """A Python value, such as a JSON body."""
    return Column(name, VALUE, meaning)


def flag(name: str, meaning: str) -> Column:
    """True or false."""
    return Column(name, FLAG, meaning)


# What pandas calls "str", with NaN for what is missing.
_STR = pd.StringDtype(na_value=np.nan)
_UTC = pd.DatetimeTZDtype("us", "UTC")


def _instants(columns: Sequence[Sequence[Any]]) -> list[Any]:
    # One index cut into columns, because making one costs ten times as much as filling it.
    together = pa.array([*chain.from_iterable(columns)], type=pa.timestamp("us", tz="UTC"), from_pandas=True)
    index = pd.DatetimeIndex(together.to_numpy(zero_copy_only=False), dtype=_UTC).array
    ends = accumulate((len(values) for values in columns), initial=0)
    return [index[start:end] for start, end in pairwise(ends)]


def _array(column: Column, values: Sequence[Any]) -> Any:
    # Texts and dates go through Arrow, which converts many times faster than pandas does.
    match column.dtype:
        case "int64":
            return _integers(column, values)
        case "Int64":
            is_absent = [each is None or each is pd.NA for each in values]
            filled = [0 if absent else each for each, absent in zip(values, is_absent, strict=True)]
            return IntegerArray(_integers(column, filled), np.array(is_absent, dtype=bool))
        case "str":
            return ArrowStringArray(pa.array(values, type=pa.large_string(), from_pandas=True), dtype=_STR)  # type: ignore[call-arg]
        case "datetime64[us]":
            days = pa.array(values, type=pa.date32(), from_pandas=True)
            return days.to_numpy(zero_copy_only=False).astype("datetime64[us]")
        case "object":
            array = np.empty(len(values), dtype=object)
            array[:] = values
            return array
        case dtype:
            return np.asarray(values, dtype=dtype)


def _integers(column: Column, values: Sequence[Any]) -> Any:
    array = np.asarray(values if len(values) else np.empty(0, dtype=np.int64))
    if array.dtype.kind != "i":
        raise FrameError(f"{column.name} must hold integers, found {array.dtype}")
    return array.astype(np.int64, copy=False)
