"""Nouns for animals, food and drink, in the notation of ``nouns``, and what drink comes in."""

TABLES = {
    "animal": """
dog = der Hund, Hunde ; pet barking
cat = die Katze, Katzen ; pet
horse = das Pferd, Pferde ; farm
bird = der Vogel, Vögel
mouse, mice = die Maus, Mäuse
cow = die Kuh, Kühe ; farm
rabbit = das Kaninchen, Kaninchen ; pet
bear = der Bär, Bären, weak ; enemy
pig = das Schwein, Schweine ; farm
wolf, wolves = der Wolf, Wölfe ; enemy
fox = der Fuchs, Füchse
lion = der Löwe, Löwen, weak ; enemy
goat = die Ziege, Ziegen ; farm
duck = die Ente, Enten ; farm
monkey = der Affe, Affen, weak
elephant = der Elefant, Elefanten, weak
donkey = der Esel, Esel ; farm
frog = der Frosch, Frösche
goose, geese = die Gans, Gänse ; farm
snake = die Schlange, Schlangen
owl = die Eule, Eulen
hedgehog = der Igel, Igel
squirrel = das Eichhörnchen, Eichhörnchen
turtle = die Schildkröte, Schildkröten ; pet
""",
    "food": """
bread = das Brot ; bakable sliced
apple = der Apfel, Äpfel ; fruit
cake = der Kuchen, Kuchen ; bakable
soup = die Suppe, Suppen ; cookable
egg = das Ei, Eier ; cookable
potato, potatoes = die Kartoffel, Kartoffeln ; cookable
cheese = der Käse ; sliced
meat = das Fleisch ; cookable sliced
tomato, tomatoes = die Tomate, Tomaten ; fruit
salad = der Salat, Salate
sausage = die Wurst, Würste ; cookable
pear = die Birne, Birnen ; fruit
chocolate = die Schokolade ; sliced
rice = der Reis ; cookable
cherry = die Kirsche, Kirschen ; fruit
carrot = die Karotte, Karotten ; cookable
onion = die Zwiebel, Zwiebeln
butter = die Butter
banana = die Banane, Bananen ; fruit
biscuit = der Keks, Kekse ; bakable
honey = der Honig
strawberry = die Erdbeere, Erdbeeren ; fruit
mushroom = der Pilz, Pilze ; cookable
plum = die Pflaume, Pflaumen ; fruit
lemon = die Zitrone, Zitronen ; fruit
pancake = der Pfannkuchen, Pfannkuchen ; bakable
ham = der Schinken ; sliced
""",
    "drink": """
water = das Wasser
coffee = der Kaffee ; hot
tea = der Tee ; hot
milk = die Milch ; hot
wine = der Wein
beer = das Bier
juice = der Saft
lemonade = die Limonade
cocoa = der Kakao ; hot
""",
    "measure": """
glass = das Glas, Gläser ; holds_drink
cup = die Tasse, Tassen ; holds_hot
bottle = die Flasche, Flaschen ; holds_drink
piece = das Stück, Stücke ; holds_sliced
jug = der Krug, Krüge ; holds_drink
slice = die Scheibe, Scheiben ; holds_sliced
""",
}
