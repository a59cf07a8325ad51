"""Expressions of time, sorted by the tenses that they go with."""

from automl_tf.data.grammar.chance import Chance
from automl_tf.data.grammar.meaning import (
    Tense,
)
from automl_tf.data.grammar.numbers import (
    CLOCK_MINUTES,
    english_clock,
    english_number,
    german_clock,
    german_number,
)
from automl_tf.data.grammar.words import Adverbial, zipf

_WEEKDAYS = {
    "Monday": "Montag",
    "Tuesday": "Dienstag",
    "Wednesday": "Mittwoch",
    "Thursday": "Donnerstag",
    "Friday": "Freitag",
    "Saturday": "Samstag",
    "Sunday": "Sonntag",
}
_MONTHS = {
    "January": "Januar",
    "February": "Februar",
    "March": "März",
    "April": "April",
    "May": "Mai",
    "June": "Juni",
    "July": "Juli",
    "August": "August",
    "September": "September",
    "October": "Oktober",
    "November": "November",
    "December": "Dezember",
}
_SEASONS = {"summer": "Sommer", "winter": "Winter", "spring": "Frühling", "autumn": "Herbst"}
_DAY_PARTS = {
    "in the evening": "am Abend",
    "in the morning": "am Morgen",
    "in the afternoon": "am Nachmittag",
    "at night": "in der Nacht",
    "at noon": "am Mittag",
    "at midnight": "um Mitternacht",
    "after work": "nach der Arbeit",
    "before breakfast": "vor dem Frühstück",
    "after dinner": "nach dem Abendessen",
}
_SPANS = {"years": "Jahren", "weeks": "Wochen", "days": "Tagen", "months": "Monaten"}
_PAST_DAYS = {
    "yesterday": "gestern",
    "last week": "letzte Woche",
    "last year": "letztes Jahr",
    "the day before yesterday": "vorgestern",
    "last summer": "letzten Sommer",
    "last night": "letzte Nacht",
    "yesterday evening": "gestern Abend",
    "at Christmas": "an Weihnachten",
    "at the weekend": "am Wochenende",
}
_FUTURE_DAYS = {
    "tomorrow": "morgen",
    "soon": "bald",
    "next week": "nächste Woche",
    "tonight": "heute Abend",
    "next year": "nächstes Jahr",
    "the day after tomorrow": "übermorgen",
    "tomorrow evening": "morgen Abend",
    "one day": "eines Tages",
}
_HABITS = {
    "every day": "jeden Tag",
    "every evening": "jeden Abend",
    "every week": "jede Woche",
    "every year": "jedes Jahr",
    "almost every day": "fast jeden Tag",
    "these days": "heutzutage",
}
_MOMENTS = {
    "now": "jetzt",
    "today": "heute",
    "at the moment": "im Moment",
    "this week": "diese Woche",
    "right now": "gerade jetzt",
}
_SO_FAR = {
    "today": "heute",
    "this morning": "heute Morgen",
    "this year": "dieses Jahr",
    "recently": "vor Kurzem",
}
_FIRST_YEAR, _LAST_YEAR = 1850, 2024
_LAST_DAY = 28
_HOURS = 24
_MOST_UNITS = 20


def _pick(chance: Chance, table: dict[str, str]) -> Adverbial:
    weights = [zipf(rank) for rank in range(len(table))]
    return Adverbial(*chance.weighted(list(table.items()), weights))


def _past_day(chance: Chance) -> Adverbial:
    return _pick(chance, _PAST_DAYS)


def _future_day(chance: Chance) -> Adverbial:
    return _pick(chance, _FUTURE_DAYS)


def _habit(chance: Chance) -> Adverbial:
    return _pick(chance, _HABITS)


def _moment(chance: Chance) -> Adverbial:
    return _pick(chance, _MOMENTS)


def _so_far(chance: Chance) -> Adverbial:
    return _pick(chance, _SO_FAR)


def _part_of_day(chance: Chance) -> Adverbial:
    return _pick(chance, _DAY_PARTS)


def _season(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_SEASONS.items()))
    return Adverbial(f"in {english}", f"im {german}")


def _weekday(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_WEEKDAYS.items()))
    return Adverbial(f"on {english}", f"am {german}")


def _last_weekday(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_WEEKDAYS.items()))
    return Adverbial(f"last {english}", f"letzten {german}")


def _next_weekday(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_WEEKDAYS.items()))
    return Adverbial(f"next {english}", f"nächsten {german}")


def _month(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_MONTHS.items()))
    return Adverbial(f"in {english}", f"im {german}")


def _date(chance: Chance) -> Adverbial:
    english, german = chance.one_of(list(_MONTHS.items()))
    day = chance.between(1, _LAST_DAY)
    return Adverbial(f"on {day} {english}", f"am {day}. {german}")


def _year(chance: Chance) -> Adverbial:
    year = chance.between(_FIRST_YEAR, _LAST_YEAR)
    return Adverbial(f"in {year}", f"im Jahr {year}")


def _ago(chance: Chance) -> Adverbial:
    number = chance.between(2, _MOST_UNITS)
    english, german = chance.one_of(list(_SPANS.items()))
    return Adverbial(
        f"{english_number(number)} {english} ago", f"vor {german_number(number)} {german}"
    )


def _ahead(chance: Chance) -> Adverbial:
    number = chance.between(2, _MOST_UNITS)
    english, german = chance.one_of(list(_SPANS.items()))
    return Adverbial(
        f"in {english_number(number)} {english}", f"in {german_number(number)} {german}"
    )


def _clock(chance: Chance) -> Adverbial:
    minutes = chance.one_of(CLOCK_MINUTES)
    if chance.happens(25):
        hour = chance.below(_HOURS)
        return Adverbial(f"at {hour}:{minutes:02}", f"um {hour}.{minutes:02} Uhr")
    hour = chance.between(1, _HOURS // 2)
    return Adverbial(f"at {english_clock(hour, minutes)}", f"um {german_clock(hour, minutes)}")


_MAKERS = {
    Tense.PAST: {
        _past_day: 8,
        _ago: 4,
        _part_of_day: 3,
        _clock: 3,
        _date: 3,
        _weekday: 3,
        _last_weekday: 2,
        _year: 2,
        _month: 1,
        _season: 1,
    },
    Tense.FUTURE: {_future_day: 8, _ahead: 3, _weekday: 3, _next_weekday: 2, _clock: 2, _date: 1},
    Tense.PRESENT: {_habit: 6, _part_of_day: 4, _clock: 3, _season: 2, _month: 1},
    Tense.CONTINUOUS: {_moment: 1},
    Tense.PERFECT: {_so_far: 1},
}


def time_for(chance: Chance, tense: Tense) -> Adverbial | None:
    """A time that goes with a tense; none for the past perfect."""
    makers = _MAKERS.get(tense)
    return chance.mixed(makers)(chance) if makers else None
