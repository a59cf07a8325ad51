"""Compounds: two words in English, one in German, as in ``kitchen table``, ``Küchentisch``.

A line reads ``first English word = first German part : English heads``. The German part has the
letters that link it; the head gives gender, plural and kinds.
"""

from dataclasses import replace
from functools import cache

from automl_tf.data.grammar.words import Noun

_TABLE = """
kitchen = Küchen : table, chair, cupboard, window, door, clock, lamp, shelf, knife
garden = Garten : table, chair, bench, gate, wall
winter = Winter : coat, jacket, shoe, boot, dress, cap
apple = Apfel : cake, juice, tree
school = Schul : book, bag, bus, garden, friend, library
children’s = Kinder : book, bicycle, room, shoe, song, bed, coat
city = Stadt : park, library, museum, theatre, map, wall
leather = Leder : jacket, shoe, belt, glove, bag, sofa, suitcase, boot
potato = Kartoffel : soup, salad, field
tomato = Tomaten : soup, salad, juice
flower = Blumen : vase, basket, garden, shop
police = Polizei : car, boat, dog, report
office = Büro : chair, door, lamp, desk
travel = Reise : report, diary, bag, plan, blanket
summer = Sommer : dress, hat, coat, house, jacket, shoe
love = Liebes : letter, story, song, novel, film, poem
cherry = Kirsch : cake, juice, tree
village = Dorf : church, school, street, teacher, baker, shop
mountain = Berg : village, hut, lake, farmer
wool = Woll : scarf, sock, cap, glove, blanket, coat
gold = Gold : ring, coin
cellar = Keller : door, window, room
chocolate = Schokoladen : cake, biscuit, egg
silk = Seiden : dress, scarf, blouse, tie, shirt
adventure = Abenteuer : novel, story, film
carrot = Karotten : soup, cake, salad, juice
toy = Spielzeug : car, boat, shop, plane
music = Musik : teacher, shop, room
glass = Glas : door, plate, table, vase
silver = Silber : coin, ring, spoon
plum = Pflaumen : cake, tree
picnic = Picknick : basket, blanket
onion = Zwiebel : soup, cake
fishing = Fischer : boat, village
mushroom = Pilz : soup
egg = Eier : salad, basket
goat = Ziegen : cheese, milk
harbour = Hafen : restaurant, city, street
"""


@cache
def _parts_by_head() -> dict[str, tuple[tuple[str, str], ...]]:
    """English and German first parts that a head goes with."""
    parts: dict[str, tuple[tuple[str, str], ...]] = {}
    for line in _TABLE.strip().splitlines():
        words, heads = line.split(":")
        english, german = (word.strip() for word in words.split("="))
        for head in heads.split(","):
            parts[head.strip()] = (*parts.get(head.strip(), ()), (english, german))
    return parts


def all_parts() -> tuple[tuple[str, str, str], ...]:
    """English part, German part and English head of every compound."""
    return tuple(
        (english, german, head)
        for head, parts in _parts_by_head().items()
        for english, german in parts
    )


def compounds_of(noun: Noun) -> tuple[Noun, ...]:
    """All compounds that have a noun as their head."""
    return tuple(
        replace(
            noun,
            en=f"{english} {noun.en}",
            en_plural=f"{english} {noun.en_plural}" if noun.counted else "",
            de=german + noun.de.lower(),
            de_plural=german + noun.de_plural.lower() if noun.counted else "",
            genitive=german + noun.genitive.lower(),
            kinds=(*noun.kinds, noun.en),
        )
        for english, german in _parts_by_head().get(noun.en, ())
    )
