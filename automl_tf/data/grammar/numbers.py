"""Numbers in words and digits, and times of day, in both languages."""


def _words(text: str) -> list[str]:
    return text.split()


_ENGLISH_SMALL = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_ENGLISH_TENS = _words("- ten twenty thirty forty fifty sixty seventy eighty ninety")
_GERMAN_SMALL = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_GERMAN_TENS = _words("- zehn zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_TEN, _HUNDRED, _THOUSAND = 10, 100, 1000


def english_number(number: int) -> str:
    """A number from 0 to 999 in English words: ``two hundred and twenty-one``."""
    assert 0 <= number < _THOUSAND
    hundreds, rest = divmod(number, _HUNDRED)
    if hundreds:
        words = f"{_ENGLISH_SMALL[hundreds]} hundred"
        return f"{words} and {english_number(rest)}" if rest else words
    if rest < len(_ENGLISH_SMALL):
        return _ENGLISH_SMALL[rest]
    tens, ones = divmod(rest, _TEN)
    return _ENGLISH_TENS[tens] + (f"-{_ENGLISH_SMALL[ones]}" if ones else "")


def german_number(number: int) -> str:
    """A number from 0 to 999 in German words: ``zweihunderteinundzwanzig``."""
    assert 0 <= number < _THOUSAND
    hundreds, rest = divmod(number, _HUNDRED)
    if hundreds:
        return f"{_joined(hundreds)}hundert" + (german_number(rest) if rest else "")
    if rest < len(_GERMAN_SMALL):
        return _GERMAN_SMALL[rest]
    tens, ones = divmod(rest, _TEN)
    return (f"{_joined(ones)}und" if ones else "") + _GERMAN_TENS[tens]


def _joined(digit: int) -> str:
    """A digit inside a longer word, where one is ``ein``."""
    return "ein" if digit == 1 else _GERMAN_SMALL[digit]


def english_digits(number: int, cents: int = 0) -> str:
    """A number in digits: ``1,250`` or ``3.50``."""
    return f"{number:,}" + (f".{cents:02}" if cents else "")


def german_digits(number: int, cents: int = 0) -> str:
    """A number in digits: ``1.250`` or ``3,50``."""
    return f"{number:,}".replace(",", ".") + (f",{cents:02}" if cents else "")


def english_clock(hour: int, minutes: int) -> str:
    """A time of day on the half, quarter or five minutes, hours from 1 to 12."""
    if minutes == 0:
        return f"{_ENGLISH_SMALL[hour]} o’clock"
    if minutes <= _HALF:
        return f"{_ENGLISH_MINUTES[minutes]} past {_ENGLISH_SMALL[hour]}"
    return f"{_ENGLISH_MINUTES[_HOUR - minutes]} to {_ENGLISH_SMALL[hour % 12 + 1]}"


def german_clock(hour: int, minutes: int) -> str:
    """The same in German, where half past seven is half of the eighth hour: ``halb acht``."""
    following = _GERMAN_SMALL[hour % 12 + 1]
    if minutes == 0:
        return f"{_joined(hour)} Uhr"
    if minutes == _HALF:
        return f"halb {following}"
    if minutes < _HALF:
        return f"{_GERMAN_MINUTES[minutes]} nach {_GERMAN_SMALL[hour]}"
    return f"{_GERMAN_MINUTES[_HOUR - minutes]} vor {following}"


_HALF, _HOUR = 30, 60
_ENGLISH_MINUTES = {5: "five", 10: "ten", 15: "a quarter", 20: "twenty", 30: "half"}
_GERMAN_MINUTES = {5: "fünf", 10: "zehn", 15: "Viertel", 20: "zwanzig"}
CLOCK_MINUTES = (0, 5, 10, 15, 20, 30, 40, 45, 50, 55)
