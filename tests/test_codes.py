"""Gift codes as text: hard to guess, easy to read, told apart by their hash alone."""

import hashlib
import math
import re

import pytest

from ledger.codes import ALPHABET, HINT_CHARS, LENGTH, hash_of, make_codes


def test_a_code_has_more_than_80_bits_without_look_alikes() -> None:
    assert LENGTH * math.log2(len(ALPHABET)) > 80
    # What the hint gives away is not missed.
    assert (LENGTH - HINT_CHARS) * math.log2(len(ALPHABET)) > 64
    assert not set(ALPHABET) & set("0O1ILUV")
    assert len(set(ALPHABET)) == len(ALPHABET)


def test_codes_are_grouped_and_all_different() -> None:
    codes = make_codes(1000, prefix="Spring")
    assert len({code.code_hash for code in codes}) == 1000
    for code in codes:
        assert re.fullmatch(rf"SPRING(-[{ALPHABET}]{{5}}){{4}}", code.text)
        assert code.text.endswith(code.hint)
        assert len(code.hint) == HINT_CHARS


def test_how_a_code_is_typed_does_not_matter() -> None:
    (code,) = make_codes(1, prefix="XMAS")
    assert code.code_hash == hashlib.sha256(code.text.replace("-", "").encode()).hexdigest()
    for typed in (code.text.lower(), code.text.replace("-", " "), f"  {code.text}\n", code.text.replace("-", "")):
        assert hash_of(typed) == code.code_hash
    assert hash_of(code.text[:-1]) != code.code_hash


@pytest.mark.parametrize("prefix", ["A" * 13, "A-B", "Ä", "A B"])
def test_a_prefix_is_short_and_plain(prefix: str) -> None:
    with pytest.raises(ValueError, match="letters"):
        make_codes(1, prefix=prefix)
