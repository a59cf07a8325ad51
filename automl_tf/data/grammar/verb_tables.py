"""Verbs, in the notation of ``verbs``. Within a table the frequent ones come first."""

ACTIONS = """
see* saw seen = sehen sieh sah gesehen ; person ; acc person animal building ridden part nature
buy bought bought = kaufen ; person ; acc=passive goods clothing food vehicle furniture
find found found = finden find fand gefunden ; person ; acc=passive thing clothing animal tool
read read read = lesen lies las gelesen ; person ; acc=passive writing text
take took taken = nehmen nimm nahm genommen ; person ; acc=passive goods ridden
write wrote written = schreiben schreib schrieb geschrieben ; person ; acc=passive writing
eat ate eaten = essen iss aß gegessen ; person animal ; acc=passive food
open = öffnen ; person ; acc=passive opening
love* = lieben ; person ; acc person pet
visit = besuchen ; person ; acc=passive person sight
need* = brauchen ; person ; acc goods clothing tool instrument
hear* heard heard = hören ; person ; acc heard
lose lost lost = verlieren verlier verlor verloren ; person ; acc=passive goods clothing
know* knew known = kennen kenn kannte gekannt ; person ; acc person song sight
drink drank drunk = trinken trink trank getrunken ; person ; acc drink
meet met met = treffen triff traf getroffen ; person ; acc person
sell sold sold = verkaufen ; person ; acc=passive goods clothing vehicle farm furniture
call = an|rufen ruf rief angerufen ; person ; acc=passive person
forget forgot forgotten forgetting = vergessen vergiss vergaß vergessen ; person ; acc idea goods
understand* understood understood = verstehen versteh verstand verstanden ; person ; acc idea person
close = schließen schließ schloss geschlossen ; person ; acc=passive opening
build built built = bauen ; person ; acc=passive building built
wear wore worn = tragen träg trug getragen ; person ; acc clothing
repair = reparieren ; person ; acc=passive machine vehicle furniture
carry = tragen träg trug getragen ; person ; acc thing tool goods furniture
put put put putting [on] = an|ziehen zieh zog angezogen ; person ; acc clothing
look (for) = suchen ; person ; acc=passive goods pet person tool
invite = ein|laden läd lud eingeladen ; person ; acc=passive person
pick [up] = ab|holen ; person ; acc=passive person sent
wash = waschen wäsch wusch gewaschen ; person ; acc=passive clothing parked fruit
cook = kochen ; person ; acc=passive cookable
learn = lernen ; person ; acc learned
choose chose chosen = wählen ; person ; acc=passive goods clothing
watch = beobachten ; person animal ; acc=passive person animal
catch caught caught catching = fangen fäng fing gefangen ; person animal ; acc=passive animal
look (at) = an|sehen sieh sah angesehen ; person ; acc person drawn sight
wake woke woken [up] = wecken ; person ; acc=passive person
clean = putzen ; person ; acc=passive room polished staircase
own* = besitzen besitz besaß besessen ; person ; acc vehicle building goods
hide hid hidden = verstecken ; person ; acc=passive thing animal
steal stole stolen = stehlen stiehl stahl gestohlen ; person ; acc=passive goods vehicle
kiss = küssen ; person ; acc person
greet = grüßen ; person ; acc person
throw threw thrown [away] = weg|werfen wirf warf weggeworfen ; person ; acc=passive thing writing
bake = backen back backte gebacken ; person ; acc=passive bakable
break broke broken = zerbrechen zerbrich zerbrach zerbrochen ; person ; acc=passive breakable
feed fed fed = füttern ; person ; acc=passive animal
draw drew drawn = zeichnen ; person ; acc=passive animal drawn building nature
turn [on] = ein|schalten ; person ; acc=passive machine
admire = bewundern ; person ; acc=passive person building nature
hold held held = halten hält hielt gehalten ; person ; acc thing pet
solve = lösen ; person ; acc=passive solved
rent = mieten ; person ; acc=passive room parked
plant = pflanzen ; person ; acc=passive planted
discuss = besprechen besprich besprach besprochen ; person ; acc=passive planned event
turn [off] = aus|schalten ; person ; acc=passive machine
miss = vermissen ; person ; acc person pet
prepare = vor|bereiten ; person ; acc=passive planned event
take took taken [off] = aus|ziehen zieh zog ausgezogen ; person ; acc clothing
bring brought brought [along] = mit|bringen bring brachte mitgebracht ; person ; acc person food
save = retten ; person ; acc=passive person animal
protect = beschützen ; person ; acc person animal
describe = beschreiben beschreib beschrieb beschrieben ; person ; acc=passive person sight
recognise = erkennen erkenn erkannte erkannt ; person ; acc person
push = schieben schieb schob geschoben ; person ; acc=passive parked
arrest = verhaften ; person ; acc=passive man woman
tame = zähmen ; person ; acc animal
translate = übersetzen ; person ; acc=passive writing text
tear tore torn [up] = zerreißen zerreiß zerriss zerrissen ; person ; acc=passive sent
comfort = trösten ; person ; acc=passive person
sing sang sung = singen sing sang gesungen ; person ; acc songs
"""

DEALINGS = """
give gave given = geben gib gab gegeben ; person ; dat+acc goods clothing food
help = helfen hilf half geholfen ; person ; dat person
wait (for) = warten ; person ; auf+acc person ridden
like* = gefallen gefäll gefiel gefallen ; person ; likes drawn sight song furniture nature writing
show showed shown = zeigen ; person ; dat+acc goods writing building
thank = danken ; person ; dat person
think* thought thought (of) = denken denk dachte gedacht ; person ; an+acc person idea event
tell told told = erzählen ; person ; dat+acc told
talk (about) = sprechen sprich sprach gesprochen ; person ; über+acc person idea text event
send sent sent = schicken ; person ; dat+acc sent goods
follow = folgen + ; person animal ; dat person animal
believe* = glauben ; person ; dat person
remember* = sich erinnern ; person ; an+acc person idea song event
speak spoke spoken (with) = sprechen sprich sprach gesprochen ; person ; mit+dat person
bring brought brought = bringen bring brachte gebracht ; person ; dat+acc food goods sent
answer = antworten ; person ; dat person
explain = erklären ; person ; dat+acc=to idea
belong* (to) = gehören ; thing clothing vehicle farm ; dat person
dream (of) = träumen ; person ; von+dat person sight
listen (to) = zu|hören ; person ; dat person
laugh (about) = lachen ; person ; über+acc joke idea
ask (for) = bitten bitt bat gebeten ; person ; um+acc food goods
trust* = vertrauen ; person ; dat person
lend lent lent = leihen leih lieh geliehen ; person ; dat+acc goods text vehicle
take took taken (care of) = sich kümmern ; person ; um+acc person pet
offer = an|bieten biet bot angeboten ; person ; dat+acc food drink
look (forward to) = sich freuen ; person ; auf+acc event
promise = versprechen versprich versprach versprochen ; person ; dat+acc goods pet
obey = gehorchen ; person pet ; dat person
fall fell fallen (in love with) = sich verlieben ; person ; in+acc job
congratulate = gratulieren ; person ; dat person
recommend = empfehlen empfiehl empfahl empfohlen ; person ; dat+acc=to sight text
complain (about) = sich beschweren ; person ; über+acc person idea
encounter = begegnen + ; person ; dat person animal
forgive forgave forgiven = verzeihen verzeih verzieh verziehen ; person ; dat person
say said said (goodbye to) = sich verabschieden ; person ; von+dat person
search (for) = suchen ; person ; nach+dat goods pet
take took taken (part in) = teil|nehmen nimm nahm teilgenommen ; person ; an+dat attended
fight fought fought (against) = kämpfen ; person ; gegen+acc enemy
get got got getting (used to) = sich gewöhnen ; person ; an+acc rule sound person
"""

MOVES = """
sleep slept slept = schlafen schläf schlief geschlafen ; person animal ; none
work = arbeiten ; person ; none
laugh = lachen ; person ; none
dance = tanzen ; person ; none
get got got getting [up] = auf|stehen steh stand aufgestanden + ; person ; none
cry = weinen ; person ; none
smile = lächeln ; person ; none
arrive = an|kommen komm kam angekommen + ; person ridden ; none
fall fell fallen [asleep] = ein|schlafen schläf schlief eingeschlafen + ; person animal ; none
disappear = verschwinden verschwind verschwand verschwunden + ; person animal ; none
rest = sich aus|ruhen ; person animal ; none
come came come coming [back] = zurück|kommen komm kam zurückgekommen + ; person ; none
swim swam swum = schwimmen schwimm schwamm geschwommen + ; person animal ; none
hurry = sich beeilen ; person ; none
wake woke woken [up] = auf|wachen + ; person animal ; none
snore = schnarchen ; person ; none
bark = bellen bell bellte gebellt ; barking ; none
leave left left = ab|reisen + ; person ; none
depart = ab|fahren fähr fuhr abgefahren + ; ridden ; none
cough = husten ; person ; none
whisper = flüstern ; person ; none
go* went gone = gehen geh ging gegangen + ; person ; goal
run ran run = laufen läuf lief gelaufen + ; person animal ; goal
drive drove driven = fahren fähr fuhr gefahren + ; person ; goal
come* came come = kommen komm kam gekommen + ; person ; goal
travel travelled travelled = reisen + ; person ; goal city
fly flew flown = fliegen flieg flog geflogen + ; person ; goal city
jump = springen spring sprang gesprungen + ; person animal ; goal
return = zurück|kehren + ; person ; goal
move = um|ziehen zieh zog umgezogen + ; person ; goal city
live = wohnen ; person ; place
stay = bleiben bleib blieb geblieben + ; person animal ; place
sit sat sat = sitzen sitz saß gesessen ; person animal ; place
stand stood stood = stehen steh stand gestanden ; person ; place
play = spielen ; child ; place
eat ate eaten = essen iss aß gegessen ; person ; place
lay laid laid = legen ; person ; acc+goal flat clothing
place = stellen ; person ; acc+goal standing breakable
"""

SPECIAL = """
be* was been = sein sei war gewesen + ; ; none
become became become = werden werd wurde geworden + ; ; none
have* had had = haben hab hatte gehabt ; ; none
play = spielen ; ; none
exist* = geben gib gab gegeben ; ; none
cost* cost cost = kosten ; ; none
weigh* = wiegen wieg wog gewogen ; ; none
rain = regnen ; ; none
snow = schneien ; ; none
thunder = donnern ; ; none
say* said said = sagen ; ; none
think* thought thought = denken denk dachte gedacht ; ; none
know* knew known = wissen wiss wusste gewusst ; ; none
believe* = glauben ; ; none
hope = hoffen ; ; none
notice* = bemerken ; ; none
claim* = behaupten ; ; none
hear* heard heard = hören ; ; none
fear* = fürchten ; ; none
ask = fragen ; ; none
wonder = sich fragen ; ; none
try = versuchen ; ; none
forget* forgot forgotten forgetting = vergessen vergiss vergaß vergessen ; ; none
promise* = versprechen versprich versprach versprochen ; ; none
decide* = beschließen beschließ beschloss beschlossen ; ; none
refuse* = sich weigern ; ; none
begin began begun beginning = beginnen beginn begann begonnen ; ; none
ask = bitten bitt bat gebeten ; ; none
"""
