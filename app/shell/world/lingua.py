"""Lingua Berlin: a language school in euros, whose people write German and English."""

from __future__ import annotations

from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL
from app.shell.world.model import (
    AFTERNOONS,
    EVENINGS,
    MIXED,
    MORNINGS,
    WEEKENDS,
    Company,
    Dialogue,
    Offer,
    Terms,
    Tutor,
)

TUTORS = (
    Tutor(
        "Jonas Becker",
        "German that you can use tomorrow morning",
        "I came to Berlin twenty years ago and learned to listen in its cafés, offices and tenants' meetings."
        " Since 2011 I have been teaching German to people who have moved here.\n\nIn my lessons you talk"
        " from the first minute. Grammar comes when you need it, and stays. You take home one page with"
        " everything you nearly said right.",
        "German, English, Turkish",
        "short:brown:fair:beard",
        MIXED,
        pull=2.4,
    ),
    Tutor(
        "Lucía Fernández",
        "Spanish with salt: talk, cook, laugh",
        "Born in Cádiz, at home in Neukölln. I studied philology and still think that the best classroom is"
        " a kitchen table.\n\nWe read recipes, listen to songs, argue about football. After three months you"
        " will be able to argue back.",
        "Spanish, German, English",
        "wavy:black:olive:earrings",
        AFTERNOONS,
        pull=1.7,
    ),
    Tutor(
        "Thomas Reid",
        "Business English without the buzzwords",
        "I spent twelve years in a trading company in Edinburgh before I began to teach. I know what a bad"
        " e-mail costs.\n\nBring your own slides, calls and contracts. We make them short, friendly and"
        " clear.",
        "English, German",
        "short:grey:fair:glasses",
        EVENINGS,
        pull=1.4,
    ),
    Tutor(
        "Élodie Martin",
        "French, spoken slowly, then less slowly",
        "I teach French the way I would like to be taught Polish: with patience, good stories and no tests."
        "\n\nDELF examiner since 2017.",
        "French, German, English",
        "bob:auburn:fair:",
        MORNINGS,
        joins=12,
        pull=1.2,
    ),
    Tutor(
        "Giulia Conti",
        "Italian for people who already love Italy",
        "Opera, coffee, verbs. I was a stage assistant at the Deutsche Oper and I still direct: you will"
        " stand up, move and speak.",
        "Italian, English, German",
        "long:dark:olive:earrings",
        WEEKENDS,
        joins=10,
    ),
    Tutor(
        "Hanna Lindqvist",
        "Exams are a craft. I teach the craft.",
        "Goethe, telc, TestDaF: I have marked more than two thousand exams. You will know exactly what the"
        " examiner looks for, and practise nothing that is not asked.",
        "German, Swedish, English",
        "bun:blond:fair:glasses",
        MORNINGS,
        joins=8,
        marks=False,
        share_bp=7500,
    ),
    Tutor(
        "Yusuf Demir",
        "German for hospitals, workshops and building sites",
        "I was a nurse before I was a teacher. Language for work has to hold under stress; we practise it"
        " that way.",
        "German, Turkish, Arabic",
        "crop:black:tan:beard",
        EVENINGS,
        joins=6,
    ),
    Tutor(
        "Agnieszka Nowak",
        "Polish is easier than its spelling",
        "Linguist and translator. I promise you one joke in Polish by the third lesson.",
        "Polish, German, English",
        "ponytail:blond:fair:",
        AFTERNOONS,
        joins=5,
        pull=0.8,
    ),
)

OFFERS = (
    Offer(
        "Jonas Becker", ONE_TO_ONE, "German", "German conversation, one to one",
        "Speak German with ease: about your work, your city, your weekend.",
        "Every lesson begins with something that happened to you. We find the words that were missing,"
        " practise them, and you take home a page with what you learned.\n\nFor learners who know the basics"
        " and want to talk.",
        (("60 minutes", 60, 4200), ("90 minutes", 90, 6000)), "intermediate", "de",
    ),
    Offer(
        "Jonas Becker", GROUP, "German", "Letters, forms and offices",
        "German for the Bürgeramt, your landlord and your bank, in a group of five.",
        "Bring the letter that lies on your kitchen table. We read it together, answer it, and practise the"
        " phone call that comes after it.",
        (("90 minutes", 90, 2400),), "beginner", "de", 5, ((1, 18),),
    ),
    Offer(
        "Jonas Becker", TRIAL, "German", "A first half hour",
        "Get to know each other and find out where you stand. Free of charge.",
        "We talk for half an hour. Afterwards you know your level and have a plan.",
        (("30 minutes", 30, 0),), "all", "de",
    ),
    Offer(
        "Lucía Fernández", ONE_TO_ONE, "Spanish", "Spanish from zero",
        "Your first hundred words, your first real conversation, in six weeks.",
        "We speak from the first lesson on. You get a short recording after every hour, to listen to on the"
        " U-Bahn.",
        (("45 minutes", 45, 3400), ("60 minutes", 60, 4400)), "beginner", "es",
    ),
    Offer(
        "Lucía Fernández", GROUP, "Spanish", "Mesa española: Spanish at the table",
        "An evening in Spanish, with six people and something to eat.",
        "No grammar, no homework. A topic, a starter and people who also look for words. From level A2.",
        (("Two hours", 120, 2900),), "intermediate", "es", 6, ((3, 18),),
    ),
    Offer(
        "Lucía Fernández", TRIAL, "Spanish", "Hola! Thirty minutes of Spanish",
        "Try it out before you decide.", "We find out what you know already. Most people know more than they"
        " think.", (("30 minutes", 30, 0),), "all", "es",
    ),
    Offer(
        "Thomas Reid", ONE_TO_ONE, "English", "Business English, one to one",
        "Meetings, presentations and the small talk in between.",
        "We work with what is on your desk this week. You get your own texts back, corrected, with the three"
        " mistakes that matter.",
        (("60 minutes", 60, 5600), ("90 minutes", 90, 7900)), "advanced", "en",
    ),
    Offer(
        "Thomas Reid", ONE_TO_ONE, "English", "Job interview rehearsal",
        "One hour, one interview, honest feedback.",
        "I play the interviewer, as nice or as nasty as you like. Then we repeat the answers that were"
        " weakest.",
        (("60 minutes", 60, 6500),), "all", "en",
    ),
    Offer(
        "Thomas Reid", GROUP, "English", "English speakers' table",
        "Four people, one subject, an hour of nothing but English.",
        "For everybody who reads well and speaks too seldom.",
        (("60 minutes", 60, 1800),), "intermediate", "en", 4, ((2, 18),),
    ),
    Offer(
        "Élodie Martin", ONE_TO_ONE, "French", "French for everyday life",
        "From your first bonjour to your first misunderstanding, and out of it again.",
        "Calm lessons with a lot of listening. Suitable for people who had French at school and remember the"
        " tables, but not the words.",
        (("60 minutes", 60, 4400),), "all", "fr",
    ),
    Offer(
        "Élodie Martin", ONE_TO_ONE, "Exams", "DELF B1/B2 preparation",
        "All four parts, with an examiner.",
        "We begin with a mock exam. Then we work on what costs you points, and on nothing else.",
        (("90 minutes", 90, 6900),), "intermediate", "fr",
    ),
    Offer(
        "Élodie Martin", TRIAL, "French", "Premier rendez-vous",
        "Half an hour of French to see whether we get along.", "Free of charge, and without any obligation.",
        (("30 minutes", 30, 0),), "all", "fr",
    ),
    Offer(
        "Giulia Conti", ONE_TO_ONE, "Italian", "Italian with hands and feet",
        "Speak while you move: scenes, songs, situations.",
        "I direct, you play: at the market, at the doctor's, in love. Verbs are learned on the way.",
        (("60 minutes", 60, 4000),), "all", "it",
    ),
    Offer(
        "Giulia Conti", GROUP, "Italian", "Opera in Italian",
        "One aria, word by word, then with full voice.",
        "We read a libretto like a crime story. You do not have to be able to sing.",
        (("90 minutes", 90, 2600),), "intermediate", "it", 6, ((6, 11),),
    ),
    Offer(
        "Hanna Lindqvist", ONE_TO_ONE, "Exams", "TestDaF and telc C1 coaching",
        "What examiners want to read and hear.",
        "Bring a text that you have written. You get it back with the marks that it would have got, and a"
        " list of what to do first.",
        (("60 minutes", 60, 5200), ("90 minutes", 90, 7400)), "advanced", "de",
    ),
    Offer(
        "Hanna Lindqvist", GROUP, "Exams", "Writing workshop C1",
        "Six people, one task, 60 minutes of writing, 60 minutes of feedback.",
        "We write against the clock and then read like examiners.",
        (("Two hours", 120, 3400),), "advanced", "de", 6, ((5, 10),),
    ),
    Offer(
        "Yusuf Demir", ONE_TO_ONE, "German", "German for nurses and carers",
        "Handovers, documentation, talking with relatives.",
        "We practise with real forms and real situations. For the recognition exam and for the first weeks"
        " on the ward.",
        (("60 minutes", 60, 3900),), "intermediate", "de",
    ),
    Offer(
        "Yusuf Demir", TRIAL, "German", "Trial lesson: German at work",
        "Tell me about your job, and I tell you what we need.", "Free of charge.",
        (("30 minutes", 30, 0),), "all", "de",
    ),
    Offer(
        "Agnieszka Nowak", ONE_TO_ONE, "Polish", "Polish for neighbours",
        "For family, friends and weekends in Szczecin.",
        "Pronunciation first; after that nothing can frighten you.",
        (("60 minutes", 60, 3800),), "beginner", "pl",
    ),
    Offer(
        "Agnieszka Nowak", GROUP, "Polish", "Polish reading circle",
        "Short stories by living authors, in small portions.",
        "We read two pages a week and talk about them for an hour. From level B1.",
        (("75 minutes", 75, 2100),), "advanced", "pl", 5, ((1, 18),),
    ),
    Offer(
        "Lucía Fernández", ONE_TO_ONE, "Spanish", "Spanish for your year abroad",
        "Flat, university, friends: ready for Seville, Lima or Mexico City.",
        "Eight weeks before you leave we start; the last lesson is on your packed suitcase.",
        (("60 minutes", 60, 4600),), "intermediate", "es", becomes="submitted",
    ),
    Offer(
        "Giulia Conti", GROUP, "Italian", "Italian film night",
        "A film, a glass of wine, and a talk in Italian.",
        "We watch the first half together.",
        (("Three hours", 180, 900),), "all", "it", 12, becomes="returned",
        reason="Lovely idea! Please check the price: 9 € for three hours does not even pay for the room."
        " And say in the description which level one needs.",
    ),
    Offer(
        "Thomas Reid", ONE_TO_ONE, "English", "Scottish for beginners",
        "Whisky optional.", "A wee introduction.", (("60 minutes", 60, 4900),), "all", "en", becomes="draft",
    ),
)  # fmt: skip

ADULTS = (
    "Mira Aydın", "Daniel Oliveira", "Priya Raman", "Kateryna Shevchenko", "Omar Haddad", "Sophie Laurent",
    "Tomasz Zieliński", "Linh Tran", "Marco Bianchi", "Ayşe Kılıç", "Felix Neumann", "Nadia Petrova",
    "Carlos Mendoza", "Ingrid Solberg", "Rania Khoury", "Ben Fischer", "Chiara Russo", "Andrei Popescu",
    "Maya Goldstein", "Jakob Schreiber", "Elena Vasquez", "Samuel Okafor", "Lena Hartmann", "Ravi Menon",
    "Beatriz Costa", "Milan Jovanović", "Fatima Zahra Bennani", "Oskar Lindgren", "Hyejin Kim", "Paul Weber",
    "Zeynep Arslan", "Noah Williams", "Greta Schulz", "Ivana Horvat", "Diego Castillo", "Anna Kowalczyk",
    "Tariq Aziz", "Marie Dubois", "Leon Krüger", "Svetlana Ivanova", "Patrick O'Brien", "Amira Saleh",
    "Johanna Vogel", "Luca Moretti", "Eszter Nagy", "Kofi Mensah", "Julia Brandt", "Ahmad Rahimi",
    "Camille Petit", "Stefan Wagner", "Isabel Ortega", "Yara Mansour", "Moritz Lange", "Dana Weiss",
    "Gabriel Silva", "Theresa König", "Nikos Papadakis", "Mei Chen", "Robin Schäfer", "Alma Hedlund",
)  # fmt: skip

DIALOGUES = (
    Dialogue(
        (
            ("student", "Hallo! Ich freue mich auf die erste Stunde. Soll ich etwas vorbereiten?"),
            ("tutor", "Nein, nur Zeit und einen Tee. Erzählen Sie mir, wozu Sie die Sprache brauchen!"),
            ("student", "Für die Arbeit, und für meine Nachbarn. Bis dann!"),
        ),
        first=True,
    ),
    Dialogue(
        (
            ("student", "Hi {tutor}, I am {student}. I have not spoken in years – is that a problem?"),
            ("tutor", "Not at all, {student}. You will be surprised how much comes back. See you soon!"),
        ),
        first=True,
    ),
    Dialogue(
        (
            ("tutor", "Here is the page from today: five new words, two old mistakes. Well done!"),
            ("student", "Thank you! The second mistake is my favourite one."),
        )
    ),
    Dialogue(
        (
            ("student", "I will be five minutes late today, the U8 is not running. Sorry!"),
            ("tutor", "No problem, I know the U8. I am here."),
        )
    ),
    Dialogue(
        (
            ("student", "Could we talk about phone calls next time? I have to call my landlord."),
            ("tutor", "Perfect. I'll be the landlord. Be prepared: I never have time."),
            ("student", "So, exactly like the real one."),
        )
    ),
    Dialogue(
        (
            ("tutor", "A podcast that fits our last lesson: slow, fourteen minutes, with a transcript."),
            ("student", "I listened to it twice. The second time I understood the joke!"),
            ("tutor", "Then you are B1 now. That is the official definition."),
        )
    ),
    Dialogue(
        (
            ("student", "I passed!!! 87 points. Thank you so much."),
            ("tutor", "{student}, that is wonderful! I never doubted it. Coffee is on me."),
        )
    ),
    Dialogue((("student", "Is it possible to move our lesson to the week after? I am travelling."),
              ("tutor", "Of course. Just choose another time on the lesson's page, it moves by itself."))),
)  # fmt: skip

COMPANY = Company(
    slug="lingua",
    name="Lingua Berlin",
    currency="EUR",
    timezone="Europe/Berlin",
    locale="de",
    color="#0a5aa8",
    tagline="Languages that you can use tomorrow morning.",
    contacts=(
        ("email", "hello@lingua-berlin.example"),
        ("phone", "+49 30 5550 1234"),
        ("imprint_url", "https://lingua-berlin.example/impressum"),
        ("privacy_url", "https://lingua-berlin.example/datenschutz"),
    ),
    plan="studio",
    manager="Clara Vogt",
    subjects=("German", "English", "Spanish", "French", "Italian", "Polish", "Exams"),
    taxes=(("VAT 19 %", "DE19", 1900), ("VAT 7 %", "DE07", 700)),
    policies=(
        Terms("A day ahead", 24 * 60, 5000),
        Terms("Flexible", 4 * 60, 8000, 120, 4),
        Terms("Strict", 72 * 60, 0, 48 * 60, 1),
    ),
    tutor_share_bp=7000,
    tutors=TUTORS,
    offers=OFFERS,
    adults=ADULTS,
    dialogues=DIALOGUES,
    why_cancelled=(
        "I am ill.", "A meeting got in the way.", "My train is cancelled.", "I have to travel for work.",
        "Kita ist zu, ich habe die Kinder hier.", "Visitors from home!",
    ),
    why_called_off=("I have caught the flu, sorry!", "My child is ill.", "No electricity in the house."),
    praise=(
        (5, "After eight lessons I made a doctor's appointment by phone, alone. That is all I have to say."),
        (5, "I look forward to it every week, and I hated languages at school."),
        (5, "Patient, funny and strict where it matters. The page with my mistakes hangs on my fridge."),
        (4, "Very good lessons. Sometimes a little fast, but you can always ask."),
        (5, "Endlich verstehe ich, was auf meiner Nebenkostenabrechnung steht."),
        (4, "Nice people, good topics. I would like a smaller group, but it is fun."),
        (5, "The best hour of my week. My boss has noticed, too."),
        (3, "Good teacher, but the free times are hard to catch. I had to wait for two weeks."),
        (5, "I passed the exam with a better mark than I had dared to hope for."),
        (4, "Well prepared, always on time. A little more homework would be fine for me."),
        (5, "You speak from the first minute on. I was afraid of that; now it is what I love."),
        (2, "The lesson was fine, but the connection was not. We lost fifteen minutes."),
        (5, "Clear, warm and with a plan. I recommend it to everybody who is new in Berlin."),
        (4, "A lot of talking, a bit less grammar than I had expected. I learned much all the same."),
    ),
    replies=(
        "Thank you! It is a pleasure to work with you.",
        "You are right, and I am sorry. The next one is longer: those minutes are yours.",
        "Danke! Bis nächste Woche.",
    ),
    invited=("Petra Hoffmann", "Rafael Santos"),
    pace=0.74,
)  # fmt: skip
