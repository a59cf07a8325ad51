"""The words of both languages as text, which ``words`` parses.

Commas part the entries; the frequent words of a list come first.

- Nouns: English, German article, singular and plural; ``-`` stands for the singular, a star marks a
  weak noun (``den Jungen``), a slash an irregular English plural. Uncounted nouns have no plural.
- English verbs: base, past, participle, without the regular ones. ``[on]`` is a particle, ``(for)``
  a preposition.
- German verbs: infinitive, with a bar behind a separable prefix, then ``er`` form, past and
  participle of irregular ones; ``ist`` marks a perfect with ``sein``, ``an+acc`` a preposition.
"""

# The keys are the kinds of a noun.
NOUNS = {
    "person": """friend der Freund -e, man/men der Mann Männer, teacher der Lehrer -, mother die
Mutter Mütter, woman/women die Frau -en, doctor der Arzt Ärzte, father der Vater Väter, boy der
Junge* -n, student der Student* -en, brother der Bruder Brüder, girl das Mädchen -, farmer der
Bauer* -n, sister die Schwester -n, king der König -e, driver der Fahrer -, queen die Königin -nen,
baker der Bäcker -, neighbour der Nachbar* -n, tourist der Tourist* -en, artist der Künstler -,
daughter die Tochter Töchter, thief/thieves der Dieb -e, cook der Koch Köche, son der Sohn Söhne,
prince der Prinz* -en, musician der Musiker -, colleague der Kollege* -n, princess die Prinzessin
-nen, lawyer der Anwalt Anwälte, aunt die Tante -n, giant der Riese* -n, singer der Sänger -, uncle
der Onkel -, witch die Hexe -n, engineer der Ingenieur -e, judge der Richter -, soldier der Soldat*
-en, guest der Gast Gäste, writer der Schriftsteller -, nephew der Neffe* -n, gardener der Gärtner
-, niece die Nichte -n, pilot der Pilot* -en, poet der Dichter -, dancer der Tänzer -, hunter der
Jäger -""",
    "animal": """dog der Hund -e, bird der Vogel Vögel, cat die Katze -n, mouse/mice die Maus
Mäuse, rabbit das Kaninchen -, bear der Bär* -en, horse das Pferd -e, wolf/wolves der Wolf Wölfe,
donkey der Esel -, fox der Fuchs Füchse, goat die Ziege -n, lion der Löwe* -n, turtle die
Schildkröte -n, monkey der Affe* -n, cow die Kuh Kühe, snake die Schlange -n, pig das Schwein -e,
elephant der Elefant* -en, duck die Ente -n, frog der Frosch Frösche, goose/geese die Gans Gänse,
owl die Eule -n""",
    "food": """apple der Apfel Äpfel, cake der Kuchen -, bread das Brot, soup die Suppe -n, egg das
Ei -er, potato die Kartoffel -n, cheese der Käse, meat das Fleisch, tomato die Tomate -n, sausage
die Wurst Würste, pear die Birne -n, salad der Salat -e, cherry die Kirsche -n, carrot die Karotte
-n, chocolate die Schokolade, biscuit der Keks -e, honey der Honig, strawberry die Erdbeere -n,
mushroom der Pilz -e, lemon die Zitrone -n""",
    "drink": """water das Wasser, coffee der Kaffee, tea der Tee, milk die Milch, wine der Wein,
juice der Saft, beer das Bier""",
    "goods clothing": """coat der Mantel Mäntel, shirt das Hemd -en, dress das Kleid -er, hat der
Hut Hüte, shoe der Schuh -e, jacket die Jacke -n, skirt der Rock Röcke, scarf/scarves der Schal -s,
glove der Handschuh -e, cap die Mütze -n, boot der Stiefel -""",
    "goods text": """book das Buch Bücher, letter der Brief -e, newspaper die Zeitung -en, novel der
Roman -e, report der Bericht -e, poem das Gedicht -e, diary das Tagebuch Tagebücher, postcard die
Postkarte -n""",
    "goods": """key der Schlüssel -, glass das Glas Gläser, ring der Ring -e, table der Tisch -e,
picture das Bild -er, bottle die Flasche -n, ball der Ball Bälle, chair der Stuhl Stühle, ticket die
Fahrkarte -n, plate der Teller -, flower die Blume -n, bed das Bett -en, knife/knives das Messer -,
cup die Tasse -n, doll die Puppe -n, sofa das Sofa -s, map die Karte -n, basket der Korb Körbe,
guitar die Gitarre -n, shelf/shelves das Regal -e, blanket die Decke -n, vase die Vase -n, hammer
der Hammer Hämmer, bench die Bank Bänke, spoon der Löffel -, lamp die Lampe -n, violin die Geige -n,
mirror der Spiegel -""",
    "goods opening": """bag die Tasche -n, door die Tür -en, box die Kiste -n, window das Fenster -,
suitcase der Koffer -, cupboard der Schrank Schränke, parcel das Paket -e, umbrella der Regenschirm
-e""",
    "goods machine": """computer der Computer -, car das Auto -s, clock die Uhr -en, bicycle das
Fahrrad Fahrräder, telephone das Telefon -e, boat das Boot -e, camera die Kamera -s, truck der
Lastwagen -, radio das Radio -s, machine die Maschine -n""",
    "idea": """question die Frage -n, party die Feier -n, problem das Problem -e, journey die Reise
-n, plan der Plan Pläne, concert das Konzert -e, idea die Idee -n, exam die Prüfung -en, story die
Geschichte -n, game das Spiel -e, secret das Geheimnis -se, wedding die Hochzeit -en, mistake der
Fehler -, rule die Regel -n, film der Film -e, dream der Traum Träume, song das Lied -er""",
}
# The keys are the kind, and the prepositions: English at and to, German at and to.
PLACES = {
    "place | in into in in": """garden der Garten Gärten, house das Haus Häuser, kitchen die Küche
-n, forest der Wald Wälder, room das Zimmer -, office das Büro -s, cellar der Keller -, shop das
Geschäft -e""",
    "place | in to in in": """city die Stadt Städte, park der Park -s, church die Kirche -n, village
das Dorf Dörfer, restaurant das Restaurant -s, museum das Museum Museen, library die Bibliothek -en,
theatre das Theater -, castle das Schloss Schlösser""",
    "place | at to in in": "school die Schule -n, hotel das Hotel -s",
    "place | on to auf auf": """mountain der Berg -e, bridge die Brücke -n, island die Insel -n,
tower der Turm Türme, farm der Bauernhof Bauernhöfe""",
    "place | at to an zu": """station der Bahnhof Bahnhöfe, airport der Flughafen Flughäfen, harbour
der Hafen Häfen""",
    "place | at to an an": "lake der See -n, beach der Strand Strände, river der Fluss Flüsse",
    "city | in to in nach": """Berlin das Berlin, Hamburg das Hamburg, London das London, Rome das
Rom""",
}
# The keys are the kinds that an adjective describes.
ADJECTIVES = {
    "person animal": """old alt, young jung, tired müde, hungry hungrig, angry wütend, clever
klug, strong stark, lazy faul, curious neugierig, brave mutig, thirsty durstig, shy schüchtern,
ill krank""",
    "person": """friendly freundlich, happy glücklich, sad traurig, rich reich, famous berühmt, poor
arm, funny lustig, polite höflich, honest ehrlich, nervous nervös, proud stolz""",
    "animal": "small klein, dangerous gefährlich, wild wild, big groß",
    "goods": """new neu, old alt, big groß, small klein, beautiful schön, expensive teuer, red rot,
black schwarz, cheap billig, heavy schwer, white weiß, blue blau, light leicht, green grün, dirty
schmutzig, brown braun, yellow gelb, broken kaputt, strange seltsam""",
    "place": """big groß, small klein, old alt, beautiful schön, quiet ruhig, famous berühmt, dark
dunkel, modern modern, empty leer, strange seltsam""",
    "food drink": """good gut, fresh frisch, sweet süß, cold kalt, sour sauer, delicious köstlich,
hot heiß""",
    "idea": """good gut, new neu, interesting interessant, difficult schwierig, important wichtig,
long lang, boring langweilig, short kurz, strange seltsam, exciting spannend, serious ernst""",
    "clothing": "warm warm, comfortable bequem, thick dick, long lang",
    "text": "interesting interessant, long lang, boring langweilig",
}
# The keys are the kinds of subjects, the frame, and the kinds of objects.
VERBS = {
    "person | acc | goods": """buy bought = kaufen, find found = finden findet fand gefunden, sell
sold = verkaufen, need = brauchen, lose lost = verlieren verliert verlor verloren, look (for) =
suchen, steal stole stolen = stehlen stiehlt stahl gestohlen, choose chose chosen = wählen, hide hid
hidden = verstecken, own = besitzen besitzt besaß besessen""",
    "person | acc | person": """see saw seen = sehen sieht sah gesehen, visit = besuchen, meet met =
treffen trifft traf getroffen, call = an|rufen ruft rief angerufen, know knew known = kennen kennt
kannte gekannt, love = lieben, invite = ein|laden lädt lud eingeladen, pick [up] = ab|holen,
understand understood = verstehen versteht verstand verstanden, greet = grüßen, wake woke woken [up]
= wecken, miss = vermissen, admire = bewundern, look (at) = an|sehen sieht sah angesehen, kiss =
küssen, save = retten""",
    "person | acc | food": """eat ate eaten = essen isst aß gegessen, buy bought = kaufen, cut cut =
schneiden schneidet schnitt geschnitten, bring brought [along] = mit|bringen bringt brachte
mitgebracht, taste = probieren""",
    "animal | acc | food": """eat ate eaten = fressen frisst fraß gefressen, find found = finden
findet fand gefunden""",
    "person | acc | drink": """drink drank drunk = trinken trinkt trank getrunken, order =
bestellen, pour = ein|schenken""",
    "animal | acc | drink": "drink drank drunk = saufen säuft soff gesoffen",
    "person | acc | text": """read read = lesen liest las gelesen, write wrote written = schreiben
schreibt schrieb geschrieben, translate = übersetzen, tear tore torn [up] = zerreißen zerreißt
zerriss zerrissen, throw threw thrown [away] = weg|werfen wirft warf weggeworfen""",
    "person | acc | clothing": """wear wore worn = tragen trägt trug getragen, put put [on] =
an|ziehen zieht zog angezogen, wash = waschen wäscht wusch gewaschen, take took taken [off] =
aus|ziehen zieht zog ausgezogen, try tried [on] = an|probieren""",
    "person | acc | opening": "open = öffnen, close = schließen schließt schloss geschlossen",
    "person | acc | machine": """repair = reparieren, turn [on] = ein|schalten, turn [off] =
aus|schalten, clean = reinigen""",
    "person animal | acc | animal": """see saw seen = sehen sieht sah gesehen, watch = beobachten,
catch caught = fangen fängt fing gefangen, hear heard = hören""",
    "person | acc | animal": """feed fed = füttern, wash = waschen wäscht wusch gewaschen, love =
lieben""",
    "person | acc | place": """know knew known = kennen kennt kannte gekannt, visit = besuchen,
leave left = verlassen verlässt verließ verlassen, look (for) = suchen, describe = beschreiben
beschreibt beschrieb beschrieben""",
    "person | acc | idea": """forget forgot forgotten = vergessen vergisst vergaß vergessen,
understand understood = verstehen versteht verstand verstanden, prepare = vor|bereiten, discuss =
besprechen bespricht besprach besprochen, know knew known = kennen kennt kannte gekannt""",
    "person | dat | person": """help = helfen hilft half geholfen, thank = danken, follow = folgen
ist, answer = antworten, believe = glauben, listen (to) = zu|hören, trust = vertrauen, forgive
forgave forgiven = verzeihen verzeiht verzieh verziehen""",
    "animal | dat | person animal": "follow = folgen ist",
    "goods | dat | person": "belong (to) = gehören",
    "person | dat+acc | goods text": """give gave given = geben gibt gab gegeben, show showed shown
= zeigen, bring brought = bringen bringt brachte gebracht, send sent = schicken, lend lent = leihen
leiht lieh geliehen, promise = versprechen verspricht versprach versprochen, offer = an|bieten
bietet bot angeboten""",
    "person | prep | person": """wait (for) = warten auf+acc, think thought (of) = denken denkt
dachte gedacht an+acc, speak spoke spoken (with) = sprechen spricht sprach gesprochen mit+dat,
dream (of) = träumen von+dat, laugh (about) = lachen über+acc, fall fell fallen (in love with) =
sich verlieben in+acc, take took taken (care of) = sich kümmern um+acc, remember = sich erinnern
an+acc""",
    "person | prep | idea": """think thought (of) = denken denkt dachte gedacht an+acc, talk
(about) = sprechen spricht sprach gesprochen über+acc, remember = sich erinnern an+acc, look
(forward to) = sich freuen auf+acc, complain (about) = sich beschweren über+acc, laugh (about) =
lachen über+acc""",
    "person | prep | goods": """ask (for) = bitten bittet bat gebeten um+acc, wait (for) = warten
auf+acc""",
    "person | none |": """work = arbeiten, laugh = lachen, dance = tanzen, get got [up] = auf|stehen
steht stand ist aufgestanden, cry cried = weinen, arrive = an|kommen kommt kam ist angekommen, leave
left = ab|reisen ist, sing sang sung = singen singt sang gesungen""",
    "person animal | none |": """sleep slept = schlafen schläft schlief geschlafen, disappear =
verschwinden verschwindet verschwand ist verschwunden, fall fell fallen [asleep] = ein|schlafen
schläft schlief ist eingeschlafen, rest = sich aus|ruhen, wake woke woken [up] = auf|wachen ist""",
    "person | goal | place": """go went gone = gehen geht ging ist gegangen, come came come = kommen
kommt kam ist gekommen, come came come [back] = zurück|kommen kommt kam ist zurückgekommen, walk =
spazieren ist""",
    "person animal | goal | place": "run ran run = laufen läuft lief ist gelaufen",
    "person | goal | city": """go went gone = fahren fährt fuhr ist gefahren, travel travelled =
reisen ist, fly flew flown = fliegen fliegt flog ist geflogen, move = um|ziehen zieht zog ist
umgezogen""",
    "person | place | place city": """live = wohnen, work = arbeiten, stay = bleiben bleibt blieb
ist geblieben""",
    "person animal | place | place": """sleep slept = schlafen schläft schlief geschlafen, sit sat =
sitzen sitzt saß gesessen, stand stood = stehen steht stand gestanden, wait = warten""",
}

# Verbs of the patterns: with a clause behind them, and with an infinitive.
REPORTS = """say said = sagen, know knew known = wissen weiß wusste gewusst, believe = glauben,
hope = hoffen, notice = bemerken, claim = behaupten"""
ATTEMPTS = """try = versuchen, forget forgot forgotten = vergessen vergisst vergaß vergessen,
decide = beschließen beschließt beschloss beschlossen, begin began begun = beginnen beginnt begann
begonnen, refuse = sich weigern"""
BE = "be was been = sein bin war ist gewesen"

# First parts of compounds, with the letters that link the German one.
MODIFIERS = """kitchen Küchen, garden Garten, winter Winter, school Schul, city Stadt,
leather Leder, flower Blumen, police Polizei, office Büro, travel Reise, summer Sommer,
village Dorf, wool Woll, cellar Keller, toy Spielzeug, wood Holz, steel Stahl, hotel Hotel,
gift Geschenk, evening Abend, island Insel, mountain Berg, Sunday Sonntags, party Feier"""
MEN = "Peter Paul David Karl Martin Stefan Jakob Anton Emil Oskar Georg Otto"
WOMEN = "Anna Maria Laura Lena Julia Sophie Emma Clara Eva Sarah Lisa Martha Helena"
# The keys are tenses; modals have the times of the present.
TIMES = {
    "past": """yesterday = gestern, last week = letzte Woche, last year = letztes Jahr, yesterday
evening = gestern Abend, last summer = letzten Sommer""",
    "perfect": "today = heute, this week = diese Woche, this morning = heute Morgen",
    "present": """every day = jeden Tag, every evening = jeden Abend, on Sundays = sonntags, in
winter = im Winter, in the morning = am Morgen""",
    "future": """tomorrow = morgen, next week = nächste Woche, soon = bald, this evening = heute
Abend, next year = nächstes Jahr""",
}
CONJUNCTIONS = """because = weil, when = wenn, although = obwohl, if = wenn, before = bevor,
while = während"""
QUESTION_WORDS = "why = warum, when = wann, how often = wie oft"
