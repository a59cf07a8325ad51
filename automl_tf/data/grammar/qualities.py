"""Adjectives.

A line reads ``English, comparative = German, comparative, superlative ; kinds``. English without a
comparative compares with ``more``; a German form that is left out is regular; a dash in place of
the comparative marks what is not compared. ``teuer/teur`` gives the stem before an ending.
"""

from collections.abc import Sequence
from functools import cache

from automl_tf.data.grammar.words import Adjective, zipf

_TABLE = """
old, older = alt, älter, ältest ; person animal building vehicle furniture clothing thing sight
young, younger = jung, jünger, jüngst ; person animal
big, bigger = groß, größer, größt ; part animal place furniture goods tool machine cake
small, smaller = klein ; animal child place furniture thing vehicle fruit
new, newer = neu, neuer, neuest ; goods machine building vehicle furniture clothing tool idea
beautiful = schön ; woman place furniture clothing song plant goods music
good, better = gut, besser, best ; person text writing idea food drink song music tool
long, longer = lang, länger, längst ; writing text event carpet rope street snake
expensive = teuer/teur, teurer, teuerst ; goods clothing vehicle furniture music wine
friendly, friendlier = freundlich ; person
little = klein, - ; child pet plant
red = rot, - ; clothing vehicle fruit goods flower furniture
happy, happier = glücklich ; person
tired = müde/müd, müder, müdest ; person animal
sad, sadder = traurig ; person song story
interesting = interessant, interessanter, interessantest ; writing text idea sight event
rich, richer = reich ; person
hungry, hungrier = hungrig ; person animal
black = schwarz, - ; clothing pet vehicle farm goods
warm, warmer = warm, wärmer, wärmst ; clothing soup room blanket drink
cold, colder = kalt, kälter, kältest ; drink soup room
famous = berühmt, berühmter, berühmtest ; job writing sight song
clever, cleverer = klug, klüger, klügst ; person fox monkey
important = wichtig ; writing text idea person
cheap, cheaper = billig ; goods clothing vehicle furniture hotel
poor, poorer = arm, ärmer, ärmst ; person
white = weiß, - ; clothing pet building goods farm furniture
heavy, heavier = schwer ; furniture thing tool machine
blue = blau, - ; clothing vehicle goods furniture
dangerous = gefährlich ; enemy idea event snake vehicle
angry, angrier = wütend ; person animal
ill = krank, - ; person animal
fresh, fresher = frisch, frischer, frischest ; food juice milk
strong, stronger = stark, stärker, stärkst ; man woman animal coffee tea
curious = neugierig ; person animal
quiet, quieter = ruhig ; person place animal
green = grün, - ; clothing vehicle goods furniture
modern = modern ; part building machine furniture room sight
dirty, dirtier = schmutzig ; clothing vehicle room goods animal
funny, funnier = lustig ; writing song person
difficult = schwierig ; idea exam language text
dark, darker = dunkel/dunkl, dunkler, dunkelst ; room forest street cave cellar clothing
polite, politer = höflich ; person
sweet, sweeter = süß, süßer, süßest ; food tea cocoa juice
brave, braver = mutig ; person
boring = langweilig ; writing text event job
lazy, lazier = faul ; person animal
broken = kaputt, - ; furniture machine vehicle breakable tool
short, shorter = kurz, kürzer, kürzest ; writing event skirt dress joke
nervous = nervös, nervöser, nervösest ; person
comfortable = bequem ; shoe furniture clothing vehicle
high, higher = hoch/hoh, höher, höchst ; building mountain tree wall
strange, stranger = seltsam ; person animal writing idea sound place
empty = leer, - ; place vehicle basket bottle opening
serious = ernst ; person writing idea
weak, weaker = schwach, schwächer, schwächst ; person animal coffee
brown = braun, - ; clothing animal furniture goods
precious = kostbar ; ring coin picture carpet vase stamp
exciting = spannend, spannender, spannendst ; writing event game film
proud, prouder = stolz, stolzer, stolzest ; person
wild, wilder = wild, wilder, wildest ; animal
useful = nützlich ; tool goods machine idea text
yellow = gelb, - ; clothing vehicle goods flower
hot, hotter = heiß, heißer, heißest ; drink soup
thick, thicker = dick ; book dictionary coat blanket carpet wall slice
honest = ehrlich ; person
sharp, sharper = scharf, schärfer, schärfst ; knife axe tool
delicious = köstlich ; food drink
deep, deeper = tief ; nature cellar cave forest
patient = geduldig ; person animal
shy, shyer = schüchtern ; person animal
ripe, riper = reif ; fruit
jealous = eifersüchtig ; person
elegant = elegant, eleganter, elegantest ; woman man clothing hotel
thirsty, thirstier = durstig ; person animal
faithful = treu, treuer, treuest ; friend pet dog
grey = grau, - ; clothing animal building
narrow, narrower = schmal ; street bridge bed door valley
round = rund, - ; table window mirror carpet
sour = sauer/saur, saurer, sauerst ; apple lemon cherry plum
generous = großzügig ; person
mysterious = geheimnisvoll ; idea writing castle cave forest
hardworking = fleißig ; person
wise, wiser = weise/weis, weiser, weisest ; king queen grandfather grandmother judge wizard
stubborn = stur ; person donkey goat
modest = bescheiden ; person
wooden = hölzern, - ; bridge table hut box spoon ladder
bitter = bitter, - ; coffee chocolate truth
"""

_FITTING = 6


def _parse_adjective(line: str, rank: int) -> Adjective:
    words, _, kinds = line.partition(";")
    english, german = (
        [form.strip() for form in side.split(",")] for side in words.split("=", maxsplit=1)
    )
    positive, _, stem = german[0].partition("/")
    comparative, superlative, *_ = [*german[1:], "", ""]
    compared = comparative != "-"
    short = len(english) > 1
    return Adjective(
        en=english[0],
        en_comparative=english[1] if short else f"more {english[0]}" if compared else "",
        en_superlative=_superlative(english[1]) if short else f"most {english[0]}",
        de=positive,
        de_stem=stem or positive,
        de_comparative=(comparative or positive + "er") if compared else "",
        de_superlative=superlative or positive + "st",
        kinds=tuple(kinds.split()),
        weight=zipf(rank),
    )


def _superlative(comparative: str) -> str:
    return "best" if comparative == "better" else comparative.removesuffix("r") + "st"


@cache
def all_adjectives() -> tuple[Adjective, ...]:
    """Every adjective."""
    lines = _TABLE.strip().splitlines()
    return tuple(_parse_adjective(line, rank) for rank, line in enumerate(lines))


@cache
def adjectives_for(names: tuple[str, ...], *, compared: bool = False) -> tuple[Adjective, ...]:
    """The adjectives that describe something.

    Args:
        names: What it is called in English and the kinds that it is of.
        compared: Whether to leave out those without a comparative.
    """
    return tuple(
        adjective
        for adjective in all_adjectives()
        if set(names) & set(adjective.kinds) and (adjective.de_comparative or not compared)
    )


def weights(adjectives: Sequence[Adjective], names: tuple[str, ...]) -> list[int]:
    """How likely each adjective is for something of these names.

    One that asks for the very noun is likelier than one that suits a whole kind: apples are sour.
    """
    return [
        adjective.weight * (_FITTING if names[-1] in adjective.kinds else 1)
        for adjective in adjectives
    ]
