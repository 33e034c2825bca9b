"""The words of the generated talk, by theme: what things are called, what is done with them, what they are like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Words that make sense together: countable things, verbs that take them as objects, adjectives for them."""

    things: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]


def listed(text: str) -> tuple[str, ...]:
    """Return the phrases that ", " separates."""
    return tuple(text.replace("\n", "").split(", "))


def _theme(things: str, verbs: str, adjectives: str) -> Theme:
    return Theme(listed(things), listed(verbs), listed(adjectives))


THEMES = {
    "food": _theme(
        "apple, pear, peach, plum, banana, lemon, lime, melon, cherry, strawberry, blueberry, grape, tomato, potato, "
        "onion, carrot, cucumber, pumpkin, mushroom, radish, egg, sandwich, burger, pancake, waffle, muffin, cookie, "
        "biscuit, cake, pie, tart, pudding, omelette, sausage, steak, dumpling, noodle, pizza, salad, soup, stew, "
        "curry, casserole, sauce, bagel, bun, pretzel, doughnut, meatball, chicken, turkey, lobster, oyster, snack, "
        "dessert, recipe, loaf, walnut, almond, chestnut, apricot, fig, coconut, pineapple, artichoke, avocado",
        "cook, bake, fry, boil, grill, roast, chop, slice, peel, serve, order, taste, share, burn, freeze, heat up, "
        "season, try, finish, prepare, buy, eat, steam, smoke, chew, swallow, sprinkle, stir, recommend",
        "fresh, ripe, raw, spicy, salty, sour, sweet, bitter, crispy, juicy, stale, frozen, homemade, delicious, "
        "tasty, tender, greasy, creamy, vegetarian, organic, leftover, warm, crunchy, bland, rotten, smoked, exotic",
    ),
    "home": _theme(
        "table, chair, sofa, couch, bench, shelf, cupboard, drawer, wardrobe, mattress, pillow, blanket, carpet, rug, "
        "mirror, clock, vase, candle, basket, bucket, broom, mop, sponge, towel, curtain, doorbell, staircase, fence, "
        "gate, roof, chimney, ceiling, floor, wall, balcony, porch, driveway, bathtub, faucet, pipe, drain, "
        "dishwasher, fridge, freezer, stove, kettle, toaster, blender, pan, bowl, plate, cup, mug, saucer, teapot, "
        "fork, spoon, knife, jar, bottle, lid, tray, ladder, hammer, screwdriver, wrench, nail, bolt, shovel, rake, "
        "key, lock, lampshade, fireplace, cabinet, stool, cushion, hallway, attic window, tablecloth, napkin",
        "clean, wash, wipe, paint, repair, fix, move, lift, replace, break, sell, hide, measure, polish, scrub, "
        "cover, decorate, assemble, throw away, put away, pick up, borrow, lend, drop, find, lose, carry, scratch",
        "wooden, broken, dusty, rusty, leaky, antique, modern, cozy, spare, cheap, sturdy, shiny, dirty, tidy, round, "
        "square, narrow, wide, heavy, wobbly, crooked, comfortable, elegant, plastic, marble, velvet, cracked, plain",
    ),
    "office": _theme(
        "desk, stapler, folder, envelope, letter, stamp, form, contract, invoice, receipt, report, memo, notebook, "
        "calendar, whiteboard, marker, pencil, pen, eraser, ruler, badge, briefcase, file, label, package, parcel, "
        "brochure, leaflet, newsletter, questionnaire, survey, summary, draft, proposal, spreadsheet, presentation, "
        "slide, chart, diagram, document, signature, certificate, resume, application, offer, "
        "quote, estimate, bill, cheque, deposit, statement, policy, guideline, checklist, schedule, timetable, "
        "handout, agenda item, outline, transcript, translation, paragraph, chapter, footnote, headline, attachment",
        "write, sign, print, send, review, copy, scan, edit, revise, approve, reject, submit, collect, distribute, "
        "file, fill out, check, correct, draft, deliver, forward, share, discuss, update, shorten, finish, translate, "
        "archive, sort, stamp, summarize, present, circulate, publish, cancel, renew, hand in",
        "blank, official, signed, missing, final, recent, detailed, brief, confidential, annual, monthly, quarterly, "
        "outdated, overdue, accurate, misleading, handwritten, printed, duplicate, formal, lengthy, revised, attached",
    ),
    "technology": _theme(
        "computer, laptop, tablet, keyboard, monitor, printer, router, modem, server, cable, charger, battery, "
        "headset, webcam, sensor, chip, processor, hard drive, database, website, browser, app, program, script, "
        "function, variable, parameter, library, module, package, interface, button, window, menu, icon, cursor, "
        "password, account, profile, login page, firewall, network, packet, protocol, algorithm, data set, query, "
        "index, backup, update, patch, bug, feature, test, log file, error message, warning, notification, "
        "dashboard, pipeline, container, cluster, thread, queue, cache, buffer, compiler, repository, branch, commit, "
        "pull request, ticket, release, deployment, prototype, robot, drone, satellite, antenna, transistor, circuit",
        "install, configure, restart, reset, upgrade, download, upload, test, debug, deploy, monitor, encrypt, delete, "
        "rename, compile, optimize, refactor, merge, revert, disable, enable, connect, unplug, scan, block, simulate, "
        "document, benchmark, duplicate, migrate, automate, cache, patch, maintain, replace, rewrite, inspect, unlock",
        "slow, fast, digital, wireless, portable, obsolete, compatible, corrupted, encrypted, virtual, remote, local, "
        "temporary, permanent, automatic, manual, stable, unstable, redundant, experimental, nested, empty, shared, "
        "invalid, unreliable, powerful, scalable, embedded, asynchronous, default, hidden, internal, external",
    ),
    "nature": _theme(
        "tree, oak, pine, birch, maple, willow, bush, flower, rose, tulip, daisy, sunflower, leaf, branch, root, "
        "seed, weed, forest, meadow, valley, hill, mountain, cliff, cave, river, stream, pond, lake, waterfall, "
        "beach, island, desert, volcano, glacier, cloud, storm, rainbow, star, planet, comet, fossil, pebble, rock, "
        "crystal, shell, nest, feather, footprint, sunset, horizon, canyon, swamp, coral reef, orchard, hedge, "
        "vineyard, thunderstorm, snowflake, iceberg, tide, cactus, fern, blossom, acorn, vine, puddle, shore",
        "photograph, draw, admire, explore, discover, protect, study, describe, watch, see, notice, visit, reach, "
        "map, observe, remember, cross, approach, mention, paint, examine, overlook, survey, destroy, pass",
        "tall, deep, steep, wild, ancient, green, golden, frozen, sandy, rocky, muddy, misty, distant, remote, "
        "beautiful, lonely, peaceful, gigantic, tiny, fragile, dense, bare, colorful, magnificent, shallow, gentle",
    ),
    "animals": _theme(
        "dog, puppy, cat, kitten, horse, pony, cow, calf, goat, sheep, lamb, pig, rabbit, hamster, mouse, rat, "
        "squirrel, hedgehog, fox, wolf, bear, lion, tiger, leopard, elephant, giraffe, zebra, monkey, gorilla, "
        "kangaroo, koala, camel, donkey, deer, moose, beaver, otter, seal, whale, dolphin, shark, octopus, crab, "
        "turtle, tortoise, snake, lizard, frog, toad, spider, beetle, butterfly, bee, wasp, ant, worm, snail, owl, "
        "eagle, hawk, crow, raven, robin, sparrow, pigeon, duck, goose, swan, peacock, parrot, penguin, ostrich, bat",
        "feed, chase, catch, rescue, train, adopt, follow, frighten, hear, see, raise, watch, find, photograph, "
        "startle, tame, hunt, track, brush, recognize, count, spot, study, fear, release, love",
        "hungry, furry, playful, shy, lazy, clever, fierce, tame, stray, nervous, noisy, graceful, clumsy, poisonous, "
        "striped, spotted, sleepy, curious, stubborn, young, old, injured, rare, endangered, enormous, harmless",
    ),
    "travel": _theme(
        "car, truck, van, bus, coach, tram, train, subway, bicycle, scooter, motorcycle, taxi, ferry, boat, canoe, "
        "yacht, ship, plane, helicopter, balloon, rocket, suitcase, backpack, passport, visa, ticket, boarding pass, "
        "map, guidebook, compass, tent, sleeping bag, hotel, hostel, campsite, cabin, villa, platform, terminal, "
        "runway, harbor, bridge, tunnel, highway, motorway, crossroads, roundabout, traffic light, footpath, detour, "
        "parking lot, gas station, toll booth, seat belt, steering wheel, tire, brake, engine, windshield, trunk, "
        "journey, trip, voyage, flight, cruise, tour, excursion, souvenir, postcard, landmark, monument, lighthouse",
        "book, cancel, miss, catch, board, drive, park, rent, reserve, find, pack, unpack, cross, follow, leave, "
        "reach, inspect, repair, tow, steer, delay, postpone, plan, remember, share, recommend, photograph, tow away",
        "delayed, crowded, empty, direct, cheap, expensive, scenic, overnight, domestic, foreign, luxurious, bumpy, "
        "long, short, exhausting, relaxing, memorable, electric, rented, historic, famous, nearby, abandoned, busy",
    ),
    "health": _theme(
        "doctor's appointment, headache, fever, cough, cold, allergy, rash, bruise, wound, cut, scar, bandage, pill, "
        "tablet, vitamin, vaccine, prescription, syringe, thermometer, stretcher, wheelchair, crutch, cast, clinic, "
        "pharmacy, ambulance, operation, checkup, blood test, diagnosis, symptom, infection, virus, fracture, "
        "toothache, filling, tooth, jaw, elbow, wrist, ankle, knee, shoulder, hip, thumb, toe, heel, eyebrow, "
        "forehead, muscle, bone, lung, kidney, liver, stomach, artery, nerve, spine, rib, diet, workout, therapy",
        "treat, examine, heal, hurt, bandage, measure, check, diagnose, prevent, cause, describe, ignore, notice, "
        "explain, monitor, cure, suffer from, relieve, massage, exercise, protect, mention, stretch, worry about",
        "painful, swollen, sore, mild, severe, chronic, contagious, healthy, weak, sprained, itchy, sudden, serious, "
        "harmless, routine, urgent, physical, mental, successful, effective, risky, stiff, bleeding, pale",
    ),
    "arts": _theme(
        "song, melody, rhythm, chord, album, concert, orchestra, band, choir, guitar, piano, violin, cello, flute, "
        "trumpet, drum, harp, saxophone, opera, ballet, dance, play, scene, stage, costume, mask, film, movie, "
        "documentary, cartoon, comedy, tragedy, trailer, novel, poem, story, fairy tale, biography, magazine, "
        "newspaper, comic, painting, sketch, portrait, sculpture, statue, photograph, exhibition, gallery, museum, "
        "theater, audience, lyric, solo, duet, symphony, sonata, poster, brush, canvas, frame, puppet, riddle, joke",
        "perform, play, sing, record, rehearse, compose, conduct, paint, write, direct, watch, enjoy, criticize, "
        "review, praise, remember, hear, interpret, copy, collect, admire, produce, illustrate, publish, memorize, "
        "sell, borrow, recommend, imitate, applaud",
        "famous, brilliant, boring, hilarious, tragic, classical, contemporary, abstract, original, catchy, dramatic, "
        "romantic, thrilling, mysterious, predictable, unforgettable, controversial, popular, unfinished, haunting, "
        "humorous, lively, solemn, gloomy, inspiring, overrated, award winning, silent",
    ),
    "sport": _theme(
        "ball, bat, racket, net, goal, match, game, race, tournament, championship, league, medal, trophy, record, "
        "stadium, court, pitch, track, pool, gym, helmet, glove, ski, skate, snowboard, surfboard, paddle, bow, "
        "arrow, dart, puzzle, chess board, card, dice game, marathon, sprint, relay, jump, penalty, whistle, "
        "scoreboard, jersey, finish line, warm up, half time, knockout, serve, rematch, hurdle, javelin",
        "win, lose, play, watch, throw, catch, kick, hit, miss, practice, organize, host, break, defend, attend, "
        "follow, celebrate, start, finish, score, bounce, pass, block, cancel, enter, postpone",
        "close, exciting, friendly, unfair, difficult, easy, professional, amateur, important, final, opening, "
        "legendary, disappointing, surprising, thrilling, intense, decisive, tough, annual, national, international",
    ),
    "clothes": _theme(
        "shirt, blouse, sweater, jacket, coat, raincoat, scarf, hat, cap, glove, mitten, sock, shoe, boot, sandal, "
        "sneaker, slipper, belt, tie, dress, skirt, suit, uniform, apron, pajama top, swimsuit, purse, wallet, "
        "handbag, umbrella, necklace, bracelet, ring, earring, watch, button, zipper, pocket, sleeve, collar, hood, "
        "shopping bag, price tag, coupon, discount, bargain, refund, gift, present, toy, doll, jewel, ribbon, perfume",
        "wear, buy, sell, return, exchange, wash, iron, fold, sew, mend, choose, try on, pack, lose, find, wrap, "
        "afford, order, compare, design, donate, lend, borrow, steal, knit, model",
        "woolen, silk, leather, striped, checked, stylish, fashionable, ragged, tight, loose, baggy, waterproof, "
        "expensive, secondhand, matching, bright, dark, pale, blue, red, yellow, purple, orange, gray, brown, pink",
    ),
    "town": _theme(
        "house, apartment, cottage, castle, palace, tower, skyscraper, church, temple, mosque, school, library, "
        "hospital, bank, post office, police station, fire station, courthouse, factory, warehouse, barn, garage, "
        "bakery, butcher's shop, bookshop, supermarket, market, cafe, restaurant, pub, cinema, park, playground, "
        "fountain, square, street, avenue, alley, pavement, sidewalk, corner, bus stop, elevator, escalator, "
        "basement, courtyard, cemetery, embassy, town hall, university, laboratory, studio, workshop, greenhouse, "
        "windmill, dam, power plant, neighborhood, suburb, village, district, crossing, lamp post, mailbox",
        "build, visit, enter, leave, demolish, renovate, design, close, open, pass, find, sell, rent, buy, inspect, "
        "own, photograph, guard, evacuate, restore, extend, heat, light, surround, describe, finance",
        "brick, historic, crowded, quiet, haunted, abandoned, spacious, tiny, impressive, ugly, new, old, medieval, "
        "modern, local, central, public, private, elegant, run down, renovated, empty, noisy, charming",
    ),
    "work": _theme(
        "project, plan, goal, target, deadline, budget, forecast, strategy, campaign, product, prototype, service, "
        "customer, client, supplier, partner, competitor, investor, team, department, branch, company, startup, "
        "meeting, interview, workshop, seminar, conference, deal, negotiation, agreement, order, delivery, "
        "shipment, complaint, refund, price, margin, salary, bonus, promotion, vacancy, resignation, merger, loan, "
        "investment, share, tax, fee, profit, loss, risk, requirement, milestone, roadmap, prediction, decision, "
        "solution, problem, issue, question, suggestion, idea, experiment, trend, market segment, brand, logo",
        "discuss, review, plan, delay, postpone, finish, start, launch, manage, analyze, evaluate, present, approve, "
        "reject, question, support, change, adjust, prepare, handle, negotiate, measure, track, estimate, explain, "
        "understand, prioritize, announce, cancel, close, compare, consider, clarify, assess, solve, assign, sponsor",
        "ambitious, realistic, urgent, strategic, profitable, costly, risky, promising, complex, simple, crucial, "
        "minor, major, internal, external, new, previous, ongoing, upcoming, successful, long term, short term, "
        "reasonable, unexpected, unrealistic, global, regional, key, big, potential, competitive, critical",
    ),
    "science": _theme(
        "experiment, theory, hypothesis, formula, equation, theorem, proof, graph, axis, angle, triangle, circle, "
        "cube, sphere, number, fraction, average, sample, measurement, microscope, telescope, magnet, lens, prism, "
        "molecule, atom, electron, proton, cell, gene, protein, enzyme, bacterium, species, mineral, metal, acid, "
        "gas, liquid, solid, reaction, temperature, frequency, wavelength, signal, vector, matrix, lecture, lesson, "
        "exam, essay, thesis, assignment, textbook, dictionary, classroom, blackboard, diploma, scholarship, "
        "semester, course, discovery, invention, patent, phenomenon, galaxy, orbit, eclipse, particle, coefficient",
        "study, measure, observe, calculate, prove, explain, describe, test, publish, analyze, examine, discover, "
        "invent, teach, learn, understand, memorize, compare, classify, verify, predict, estimate, plot, derive, "
        "reproduce, confirm, dispute, model, detect, isolate",
        "scientific, theoretical, experimental, mathematical, chemical, biological, electric, magnetic, nuclear, "
        "precise, approximate, random, significant, negative, positive, linear, constant, visible, invisible, "
        "statistical, systematic, logical, elementary, advanced, difficult, controversial, fundamental, hypothetical",
    ),
    "public": _theme(
        "law, bill, treaty, reform, vote, election, referendum, debate, speech, parliament, government, ministry, "
        "committee, council, court, trial, verdict, sentence, crime, robbery, protest, strike, union, border, "
        "refugee, embassy, sanction, tariff, subsidy, pension, benefit, crisis, emergency, flood, earthquake, "
        "wildfire, hurricane, drought, accident, explosion, investigation, inquiry, scandal, resignation, summit, "
        "ceasefire, alliance, constitution, amendment, campaign, candidate, coalition, deficit, statistic, poll, "
        "press conference, headline, correspondent, witness, suspect, lawsuit, permit, ban, regulation",
        "announce, criticize, defend, support, oppose, debate, reject, approve, delay, investigate, condemn, predict, "
        "cause, prevent, propose, discuss, report, cover, mention, welcome, denounce, explain, survive, describe, "
        "postpone, ignore, demand, question",
        "political, economic, social, legal, national, local, federal, foreign, military, independent, historic, "
        "controversial, peaceful, violent, unanimous, corrupt, democratic, conservative, liberal, radical, sweeping, "
        "proposed, disputed, recent, deadly, tragic, devastating, unprecedented",
    ),
}

MASS = listed(
    "water, coffee, tea, milk, juice, sugar, salt, flour, butter, cheese, bread, rice, pasta, honey, chocolate, "
    "cream, oil, vinegar, garlic, ginger, cinnamon, paper, ink, glue, tape, paint, soap, shampoo, toothpaste, "
    "gasoline, firewood, sand, gravel, cement, steel, copper, glass, cotton, wool, rope, furniture, luggage, "
    "equipment, software, hardware, memory, storage, bandwidth, electricity, money, cash, time, space, help, advice, "
    "feedback, research, evidence, information, progress, experience, patience, courage, luck, sunshine, rain, snow, "
    "traffic, noise, music, homework, training, medicine, fresh air, training data, practice, support, attention"
)
PEOPLE = listed(
    "teacher, student, doctor, nurse, dentist, lawyer, judge, engineer, architect, plumber, electrician, carpenter, "
    "mechanic, pilot, sailor, soldier, officer, detective, firefighter, farmer, gardener, baker, butcher, cook, "
    "waiter, waitress, manager, director, secretary, assistant, accountant, cashier, clerk, librarian, scientist, "
    "researcher, professor, journalist, reporter, editor, author, poet, artist, painter, sculptor, musician, singer, "
    "drummer, actor, actress, dancer, photographer, designer, programmer, developer, analyst, consultant, "
    "salesman, landlord, tenant, neighbor, colleague, classmate, roommate, friend, stranger, visitor, guest, host, "
    "driver, passenger, conductor, tourist, guide, athlete, coach, referee, goalkeeper, champion, mayor, minister, "
    "president, senator, ambassador, prince, princess, king, queen, priest, monk, nun, witch, wizard, pirate, thief, "
    "boy, girl, man, woman, child, toddler, teenager, baby, uncle, aunt, cousin, nephew, niece, grandfather, "
    "grandmother, husband, wife, brother, sister, son, daughter, twin, captain, surgeon, pharmacist, psychologist, "
    "translator, interpreter, astronaut, volunteer, intern, inspector, receptionist, supervisor, economist, "
    "biologist, chemist, physicist, historian, philosopher, mathematician, shepherd, tailor, jeweler, hairdresser"
)
GROUPS = listed(
    "the board, the committee, the team, the whole class, the family, the sales team, the marketing department, "
    "the design team, the support desk, the finance department, the audience, the jury, the crew, the council, "
    "the government, the company, the hospital, the university, the public, the press, the police, the union"
)
FEELINGS = listed(
    "happy, sad, angry, tired, nervous, excited, worried, proud, jealous, lonely, bored, confused, surprised, "
    "grateful, relieved, disappointed, embarrassed, curious, confident, hopeful, anxious, calm, cheerful, furious, "
    "homesick, hungry, thirsty, sleepy, sick, dizzy, ready, busy, late, early, alone, awake, careful, honest, "
    "polite, rude, generous, selfish, brave, patient, impatient, lucky, optimistic, pessimistic, skeptical, thrilled, "
    "exhausted, satisfied, impressed, shocked, amused, stubborn, sensible, reliable, punctual, thoughtful, creative"
)
MANNERS = listed(
    "quickly, slowly, carefully, quietly, loudly, gently, suddenly, finally, eventually, immediately, recently, "
    "usually, rarely, probably, certainly, definitely, apparently, obviously, unfortunately, luckily, accidentally, "
    "deliberately, secretly, openly, eagerly, reluctantly, gladly, calmly, patiently, angrily, proudly, politely, "
    "honestly, seriously, barely, nearly, completely, partly, simply, clearly, successfully, regularly, constantly, "
    "occasionally, automatically, manually, properly, correctly, randomly, repeatedly, independently, efficiently"
)
INTRANSITIVE = listed(
    "sleep, laugh, smile, cry, shout, whisper, sing, dance, run, walk, jump, swim, climb, fall, stand, sit, wait, "
    "arrive, leave, return, disappear, appear, work, rest, relax, cough, sneeze, yawn, dream, talk, argue, agree, "
    "disagree, complain, apologize, hesitate, travel, drive, fly, study, practice, exercise, cook, eat, drink, "
    "smoke, vote, win, lose, retire, resign, move, hurry, stumble, wander, hide, listen, pray, shiver, tremble, "
    "struggle, succeed, fail, improve, recover, volunteer, shrug, nod, wave, faint, snore, paint, write, giggle"
)
MARKERS = listed(
    "Actually, Basically, Honestly, Of course, In fact, By the way, For example, As far as I know, On the other hand, "
    "To be honest, In general, At first, In the end, Unfortunately, Fortunately, Sure, Right, Okay, All right, "
    "Anyway, Meanwhile, However, Therefore, Besides, Moreover, Still, Once again, In other words, As usual, "
    "To my surprise, After all, At least, In my opinion, Personally, Frankly, Well, So, Now, Then, First of all"
)
WHEN = listed(
    "yesterday, last night, last week, last month, last year, this morning, a minute ago, an hour ago, two days ago, "
    "years ago, on Monday, on Friday evening, over the weekend, at noon, at midnight, before lunch, after dinner, "
    "in the spring, in the summer, in the autumn, last winter, during the holidays, at the same time, a while ago, "
    "before the meeting, after the storm, just in time, in the meantime, at the last moment, three times, once more"
)
LATER = listed(
    "tomorrow, tonight, next week, next month, next year, next Tuesday, later today, in a minute, in an hour, "
    "in a few days, soon, by Friday, by the end of the week, before the deadline, after the break, this afternoon, "
    "on Thursday morning, on the weekend, within two weeks, over the summer, one of these days, as soon as possible, "
    "sooner or later, in the second half of the year, by noon, at the earliest, in the long run, every other day"
)
WHERE = listed(
    "at home, at work, at school, at the airport, in the kitchen, in the garden, in the basement, in the city, "
    "in the countryside, on the train, on the bus, on the roof, on the beach, by the river, near the station, "
    "behind the house, in front of the bank, next to the library, across the street, around the corner, upstairs, "
    "downstairs, outside, abroad, in the mountains, at the office, in the hallway, under the bridge, in the park, "
    "at the hospital, between the two buildings, in the parking lot, on the second floor, at the back of the room, "
    "on the internet, in the newspaper, on the phone, in the cloud, at the border, along the coast, in the dark"
)
FIRST_NAMES = listed(
    "Aaron, Adam, Adrian, Ahmed, Aisha, Akira, Alan, Albert, Alejandro, Alex, Alexandra, Alfred, Alice, Alison, "
    "Amanda, Amelia, Amir, Amy, Ana, Andrea, Andrew, Angela, Anita, Anna, Anton, Antonio, Arjun, Arthur, Astrid, "
    "Barbara, Beatrice, Benjamin, Bernard, Bianca, Boris, Brandon, Brenda, Brian, Bruno, Camila, Carl, Carla, Carlos, "
    "Carmen, Caroline, Catherine, Cecilia, Charles, Charlotte, Christian, Christine, Claire, Clara, Claudia, Colin, "
    "Connor, Craig, Daniel, David, Deborah, Deepak, Diana, Diego, Dominic, Donna, Dorothy, Douglas, Edith, Eduardo, "
    "Edward, Elena, Eleanor, Elias, Elizabeth, Ella, Emily, Emma, Enrique, Eric, Erika, Esther, Eva, Farah, Fatima, "
    "Felix, Fernando, Fiona, Florence, Frances, Francisco, Frank, Frederick, Gabriel, George, Gerald, Gloria, Grace, "
    "Graham, Greta, Gustav, Hannah, Hans, Harold, Harry, Hassan, Heather, Helen, Henry, Hiro, Howard, Hugo, Ibrahim, "
    "Ingrid, Irene, Isaac, Isabel, Ivan, Jacob, James, Jane, Janet, Jasmine, Javier, Jennifer, Jeremy, Jessica, Joan, "
    "Joel, Johanna, John, Jonathan, Jorge, Joseph, Joshua, Juan, Judith, Julia, Julian, Kamal, Karen, Karim, Katarina, "
    "Kate, Keiko, Keith, Kenji, Kevin, Kim, Kumar, Larry, Laura, Lauren, Leila, Leo, Leon, Linda, Lisa, Liu, Lorenzo, "
    "Louis, Louise, Lucas, Lucy, Luis, Magda, Malik, Marco, Margaret, Maria, Mark, Marta, Martin, Mary, Matilda, "
    "Matthew, Maya, Megan, Mei, Michael, Miguel, Miriam, Mohammed, Monica, Nadia, Naomi, Natalie, Nathan, Neil, "
    "Nicholas, Nina, Noah, Nora, Oliver, Olivia, Omar, Oscar, Otto, Pablo, Pamela, Patricia, Patrick, Paul, Paula, "
    "Pedro, Peter, Philip, Priya, Rachel, Rahul, Ralph, Raymond, Rebecca, Ricardo, Richard, Rita, Robert, Roberto, "
    "Roger, Rosa, Rose, Ruth, Ryan, Samantha, Samir, Samuel, Sandra, Sara, Scott, Sergei, Simon, Sofia, Sonia, "
    "Stefan, Stella, Stephanie, Steven, Stuart, Susan, Sven, Sylvia, Tanya, Tara, Theodore, Theresa, Thomas, Tim, "
    "Tina, Tom, Tony, Ursula, Valerie, Vanessa, Vera, Victor, Victoria, Vincent, Walter, Wanda, Wei, Wendy, William, "
    "Yasmin, Yuki, Yusuf, Zachary, Zoe"
)
FAMILY_NAMES = listed(
    "Abbott, Adams, Ahmed, Ali, Allen, Almeida, Andersen, Anderson, Armstrong, Bailey, Baker, Banerjee, Barnes, "
    "Barrett, Becker, Bell, Bennett, Berg, Berger, Bianchi, Black, Blake, Bloom, Bradley, Brennan, Brooks, Brown, "
    "Burke, Burton, Campbell, Carlson, Carter, Castillo, Chandra, Chapman, Chen, Clark, Cohen, Coleman, Collins, "
    "Cooper, Costa, Crawford, Cruz, Cunningham, Dalton, Davidson, Davis, Delgado, Diaz, Dixon, Doyle, Duncan, "
    "Edwards, Ellis, Evans, Farrell, Fernandez, Ferrari, Fischer, Fisher, Fletcher, Flores, Ford, Foster, Fox, "
    "Franklin, Freeman, Fuller, Garcia, Gardner, Gibson, Goldberg, Gomez, Gonzales, Gordon, Graham, Grant, Gray, "
    "Green, Griffin, Gupta, Haddad, Hale, Hall, Hamilton, Hansen, Harper, Harris, Harrison, Hart, Harvey, Hassan, "
    "Hayes, Henderson, Hernandez, Hoffman, Holmes, Howard, Hudson, Hughes, Hunt, Hussein, Ivanov, Jackson, Jacobs, "
    "James, Jensen, Johnson, Jones, Jordan, Kaplan, Keller, Kelly, Kennedy, Khan, Kim, King, Klein, Knight, Kowalski, "
    "Kumar, Lambert, Lane, Larsen, Lawson, Lee, Levy, Lewis, Li, Lindberg, Lopez, Ludwig, Lynch, Marino, Marshall, "
    "Martin, Martinez, Mason, Matthews, Mendoza, Meyer, Miller, Mitchell, Monroe, Moore, Morales, Moretti, Morgan, "
    "Morris, Murphy, Murray, Nakamura, Nelson, Newman, Newton, Nielsen, Novak, Oliver, Olsen, Ortiz, Owens, Palmer, "
    "Park, Parker, Patel, Patterson, Pearson, Perez, Perry, Petersen, Peterson, Petrov, Phillips, Porter, Powell, "
    "Price, Quinn, Ramirez, Rao, Reed, Reyes, Reynolds, Richards, Rivera, Roberts, Robinson, Rogers, Romano, Rossi, "
    "Russell, Ryan, Sanchez, Sanders, Santos, Sato, Schmidt, Schneider, Schwartz, Scott, Shah, Sharma, Shaw, Sherman, "
    "Silva, Simmons, Simpson, Singh, Smith, Spencer, Stein, Stevens, Stewart, Stone, Sullivan, Suzuki, Tanaka, "
    "Taylor, Thompson, Torres, Tucker, Turner, Valdez, Vargas, Vega, Wagner, Walker, Wallace, Walsh, Wang, Ward, "
    "Warren, Watson, Weaver, Weber, Webster, Wells, West, Wheeler, White, Williams, Wilson, Winter, Wolf, Wong, Wood, "
    "Wright, Yamamoto, Young, Zhang, Zimmerman"
)
PLACES = listed(
    "London, Paris, Berlin, Madrid, Rome, Vienna, Prague, Warsaw, Budapest, Athens, Lisbon, Dublin, Oslo, Stockholm, "
    "Helsinki, Copenhagen, Brussels, Amsterdam, Zurich, Geneva, Milan, Venice, Barcelona, Munich, Hamburg, Frankfurt, "
    "Moscow, Istanbul, Cairo, Nairobi, Lagos, Cape Town, Jerusalem, Dubai, Delhi, Mumbai, Bangkok, Singapore, "
    "Jakarta, Manila, Tokyo, Osaka, Kyoto, Beijing, Shanghai, Hong Kong, Sydney, Melbourne, Auckland, New York, "
    "Boston, Chicago, Denver, Dallas, Houston, Seattle, Portland, San Francisco, Los Angeles, San Diego, Las Vegas, "
    "Phoenix, Miami, Atlanta, Washington, Philadelphia, Detroit, Toronto, Montreal, Vancouver, Mexico City, Havana, "
    "Buenos Aires, Santiago, Lima, Edinburgh, Glasgow, Manchester, Liverpool, Oxford, Cambridge, Bristol, England, "
    "Scotland, Ireland, Wales, France, Germany, Austria, Switzerland, Italy, Spain, Portugal, Norway, Sweden, Finland, "
    "Denmark, Poland, Hungary, Greece, Turkey, Egypt, Morocco, Kenya, Nigeria, South Africa, India, Pakistan, China, "
    "Japan, Korea, Vietnam, Thailand, Indonesia, Australia, New Zealand, Canada, Mexico, Cuba, Brazil, Argentina, "
    "Chile, Peru, Colombia, California, Texas, Florida, Alaska, Hawaii, Ohio, Virginia, Europe, Africa, Asia"
)
COMPANIES = listed(
    "accounting, the bank, the front desk, customer service, human resources, the head office, the clinic, the museum, "
    "Northwind, Blue Harbor, Silver Oak, Bright Lane, Stonebridge, Redwood Labs, Greenfield, Summit Partners, "
    "Lakeside Books, Clear Sky, Ironwood, Maple Street Bakery, the travel agency, the newspaper, Channel Four"
)
SPELLING_WORDS = {
    "A": "alpha", "B": "bravo", "C": "Charlie", "D": "delta", "E": "echo", "F": "foxtrot", "G": "golf", "H": "hotel",
    "I": "India", "J": "Juliet", "K": "kilo", "L": "lima", "M": "Mike", "N": "November", "O": "Oscar", "P": "papa",
    "Q": "Quebec", "R": "Romeo", "S": "sierra", "T": "tango", "U": "uniform", "V": "Victor", "W": "whiskey",
    "X": "x ray", "Y": "yankee", "Z": "zulu",
}  # fmt: skip
