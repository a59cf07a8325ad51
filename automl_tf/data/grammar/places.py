"""Locations, with the prepositions that each of them asks for in both languages.

A line reads ``noun | English at, English to, German at, German to ; more kinds``, the noun in the
notation of ``nouns``. With the first German preposition stands the dative. The second is followed
by the accusative, unless it is ``zu``.
"""

from dataclasses import dataclass
from functools import cache

from automl_tf.data.grammar.nouns import all_nouns, parse_noun
from automl_tf.data.grammar.words import Case, Noun

_TABLE = """
house = das Haus, Häuser | in into in in ; building room
garden = der Garten, Gärten | in into in in ; home
city = die Stadt, Städte | in to in in ; sight
school = die Schule, Schulen | at to in in ; building
kitchen = die Küche, Küchen | in into in in ; room
forest = der Wald, Wälder | in into in in
station = der Bahnhof, Bahnhöfe | at to an zu ; building
market = der Markt, Märkte | at to auf auf ; sight
village = das Dorf, Dörfer | in to in in ; sight
hospital = das Krankenhaus, Krankenhäuser | in to in in ; building
park = der Park, Parks, Parks | in to in in ; sight
street = die Straße, Straßen | in into auf auf
church = die Kirche, Kirchen | in to in in ; building sight
office = das Büro, Büros | in to in in ; room
hotel = das Hotel, Hotels | at to in in ; building
restaurant = das Restaurant, Restaurants | in to in in ; sight
museum = das Museum, Museen | in to in in ; building sight
beach = der Strand, Strände | on to an an
room = das Zimmer, Zimmer | in into in in ; room
library = die Bibliothek, Bibliotheken | in to in in ; building sight
lake = der See, Seen | at to an an ; nature
theatre = das Theater, Theater | in to in in ; building sight
cinema = das Kino, Kinos | in to in in
shop = das Geschäft, Geschäfte | in into in in ; room
castle = das Schloss, Schlösser | in to in in ; building sight
mountain = der Berg, Berge | on to auf auf ; nature
river = der Fluss, Flüsse | at to an an ; nature
airport = der Flughafen, Flughäfen | at to an zu
island = die Insel, Inseln | on to auf auf ; nature sight
university = die Universität, Universitäten | at to an zu ; sight
bridge = die Brücke, Brücken | on to auf auf ; building
factory = die Fabrik, Fabriken | in to in in ; building sight
cellar = der Keller, Keller | in into in in ; room
harbour = der Hafen, Häfen | at to an zu ; sight
apartment = die Wohnung, Wohnungen | in into in in ; room
field = das Feld, Felder | in into auf auf
farm = der Bauernhof, Bauernhöfe | on to auf auf ; sight
zoo = der Zoo, Zoos | in to in in ; sight
bakery = die Bäckerei, Bäckereien | in to in zu
tower = der Turm, Türme | on to auf auf ; building sight
playground = der Spielplatz, Spielplätze | on to auf auf
café = das Café, Cafés | in to in in
bathroom = das Badezimmer, Badezimmer | in into in in ; room
garage = die Garage, Garagen | in into in in ; building room
hut = die Hütte, Hütten | in into in in ; building
town hall = das Rathaus, Rathäuser | in to in zu ; building sight
pharmacy = die Apotheke, Apotheken | in to in zu
swimming pool = das Schwimmbad, Schwimmbäder | in to in in
barn = die Scheune, Scheunen | in into in in ; building room
monastery = das Kloster, Klöster | in to in in ; building sight
cave = die Höhle, Höhlen | in into in in
valley = das Tal, Täler | in into in in ; nature
"""


@dataclass(frozen=True)
class Launcher:
    """A place and how one is there and goes there.

    Attributes:
        noun: The place.
        en_at: English preposition of being there.
        en_to: English preposition of going there.
        de_at: German preposition of being there, with the dative.
        de_to: German preposition of going there.
    """

    noun: Noun
    en_at: str
    en_to: str
    de_at: str
    de_to: str

    @property
    def goal_case(self) -> Case:
        """Case after the preposition of going there."""
        return Case.DATIVE if self.de_to == "zu" else Case.ACCUSATIVE


def _parse_site(line: str, rank: int) -> Launcher:
    words, rest = line.split("|")
    prepositions, _, kinds = rest.partition(";")
    en_at, en_to, de_at, de_to = prepositions.split()
    return Launcher(parse_noun(f"{words}; {kinds}", "place", rank), en_at, en_to, de_at, de_to)


@cache
def all_sites() -> tuple[Launcher, ...]:
    """Every place."""
    return tuple(_parse_site(line, rank) for rank, line in enumerate(_TABLE.strip().splitlines()))


@cache
def nouns_of(kinds: tuple[str, ...]) -> tuple[Noun, ...]:
    """The nouns, places among them, that are of at least one of the kinds."""
    nouns = (*all_nouns(), *(site.noun for site in all_sites()))
    return tuple(noun for noun in nouns if set(kinds) & set(noun.kinds))
