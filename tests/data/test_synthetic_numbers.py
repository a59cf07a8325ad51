"""Numbers and times of day against tables written by hand."""

import pytest

from automl_tf.data.grammar import numbers

WORDS = {
    0: ("zero", "null"),
    1: ("one", "eins"),
    7: ("seven", "sieben"),
    11: ("eleven", "elf"),
    12: ("twelve", "zwölf"),
    16: ("sixteen", "sechzehn"),
    17: ("seventeen", "siebzehn"),
    20: ("twenty", "zwanzig"),
    21: ("twenty-one", "einundzwanzig"),
    30: ("thirty", "dreißig"),
    31: ("thirty-one", "einunddreißig"),
    47: ("forty-seven", "siebenundvierzig"),
    66: ("sixty-six", "sechsundsechzig"),
    70: ("seventy", "siebzig"),
    99: ("ninety-nine", "neunundneunzig"),
    100: ("one hundred", "einhundert"),
    101: ("one hundred and one", "einhunderteins"),
    111: ("one hundred and eleven", "einhundertelf"),
    121: ("one hundred and twenty-one", "einhunderteinundzwanzig"),
    200: ("two hundred", "zweihundert"),
    316: ("three hundred and sixteen", "dreihundertsechzehn"),
    777: ("seven hundred and seventy-seven", "siebenhundertsiebenundsiebzig"),
    999: ("nine hundred and ninety-nine", "neunhundertneunundneunzig"),
}
TIMES = {
    (7, 0): ("seven o’clock", "sieben Uhr"),
    (1, 0): ("one o’clock", "ein Uhr"),
    (7, 30): ("half past seven", "halb acht"),
    (12, 30): ("half past twelve", "halb eins"),
    (6, 15): ("a quarter past six", "Viertel nach sechs"),
    (6, 45): ("a quarter to seven", "Viertel vor sieben"),
    (8, 40): ("twenty to nine", "zwanzig vor neun"),
    (12, 55): ("five to one", "fünf vor eins"),
    (1, 5): ("five past one", "fünf nach eins"),
}


@pytest.mark.parametrize("number", WORDS)
def test_numbers_in_words(number):
    assert (numbers.english_number(number), numbers.german_number(number)) == WORDS[number]


def test_no_two_numbers_share_their_words():
    assert len({numbers.english_number(n) for n in range(1000)}) == 1000
    assert len({numbers.german_number(n) for n in range(1000)}) == 1000


@pytest.mark.parametrize("time", TIMES)
def test_times_of_day(time):
    assert (numbers.english_clock(*time), numbers.german_clock(*time)) == TIMES[time]


def test_digits_with_separators():
    assert numbers.english_digits(1250) == "1,250"
    assert numbers.german_digits(1250) == "1.250"
    assert numbers.english_digits(3, 5) == "3.05"
    assert numbers.german_digits(1003, 50) == "1.003,50"
