"""Tokyo Arts: drawing, crafts and music in yen, for grown-ups who come in the evening."""

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
        "Kenji Mori",
        "Draw what you see, not what you know",
        "I studied in Kyoto and have taught in Tokyo since 2012. Beginners are my favourite students: they"
        " still look.\n\nWe draw cups, hands and the neighbour's cat. After ten lessons you own a sketchbook"
        " that you want to show.",
        "Japanese, English",
        "short:black:fair:glasses",
        MIXED,
        pull=2.2,
    ),
    Tutor(
        "Aiko Yamamoto",
        "書道: one brush, one breath",
        "Calligrapher in the third generation. I teach in a quiet room in Yanaka, with tea before and after."
        "\n\nNobody needs to know Japanese; everybody goes home with one character that is theirs.",
        "Japanese, English, French",
        "bun:black:fair:",
        EVENINGS,
        pull=1.6,
    ),
    Tutor(
        "Ren Takahashi",
        "Clay does not lie",
        "My kiln stands in Kichijōji. Throw a bowl, glaze it, drink from it: it takes four weeks, and you"
        " will never buy a cup again.",
        "Japanese, English",
        "long:black:fair:stubble",
        WEEKENDS,
        pull=1.5,
    ),
    Tutor(
        "Naomi Clarke",
        "Piano for hands that type all day",
        "Juilliard, then ten years in jazz clubs from Shinjuku to Yokohama. We begin with chords, so that it"
        " sounds like music on the first evening.",
        "English, Japanese",
        "curly:black:deep:earrings",
        EVENINGS,
        joins=12,
        pull=1.2,
    ),
    Tutor(
        "Sōta Nakamura",
        "Shamisen, from the first plucked string",
        "I play in a theatre and teach everybody who dares. The instrument has three strings and a temper.",
        "Japanese",
        "crop:black:fair:",
        AFTERNOONS,
        joins=10,
        pull=0.9,
    ),
    Tutor(
        "Emma Lindberg",
        "Watercolour: let the water work",
        "I came for a year and stayed for fifteen. We paint rivers, rain and ramen, mostly outdoors.",
        "English, Swedish, Japanese",
        "ponytail:blond:fair:",
        MORNINGS,
        joins=8,
        marks=False,
    ),
    Tutor(
        "Daichi Kobayashi",
        "Woodblock prints in eleven colours",
        "Carver and printer. A print takes six weeks and about nine thousand cuts. I show you the first"
        " hundred.",
        "Japanese, English",
        "bald:black:fair:moustache",
        WEEKENDS,
        joins=6,
        pull=0.9,
    ),
    Tutor(
        "Mei Watanabe",
        "Photography on foot",
        "We walk, we look, we take few pictures. I work for magazines and for my grandmother.",
        "Japanese, English, Mandarin",
        "bob:black:fair:earrings",
        MIXED,
        joins=5,
        pull=1.0,
        share_bp=7500,
    ),
)

OFFERS = (
    Offer(
        "Kenji Mori", ONE_TO_ONE, "Drawing", "Drawing with pencil and ink",
        "Lines, light and patience: private lessons for beginners and those who come back.",
        "You need paper, two pencils and a cup of tea. Everything else comes with time.",
        (("60 minutes", 60, 5500), ("90 minutes", 90, 7800)), "beginner",
    ),
    Offer(
        "Kenji Mori", GROUP, "Drawing", "Life drawing on Tuesday",
        "Seven easels, one model, two hours of silence.",
        "Short poses first, one long one at the end. All levels, all materials.",
        (("Two hours", 120, 4200),), "all", "en", 7, ((1, 19),),
    ),
    Offer(
        "Kenji Mori", TRIAL, "Drawing", "First strokes",
        "Half an hour to try it out. Free of charge.", "We draw one object together. You keep the sheet.",
        (("30 minutes", 30, 0),),
    ),
    Offer(
        "Aiko Yamamoto", ONE_TO_ONE, "Calligraphy", "Calligraphy, one to one",
        "Your name, your word, your rhythm.",
        "We choose a character that says something to you and write it until it breathes.",
        (("60 minutes", 60, 6600),), "all", "ja",
    ),
    Offer(
        "Aiko Yamamoto", GROUP, "Calligraphy", "書道 for a quiet evening",
        "Brush, ink and one character, in a group of five.",
        "One character an evening. We grind the ink ourselves, and nobody hurries.",
        (("90 minutes", 90, 3300),), "all", "ja", 5, ((3, 19),),
    ),
    Offer(
        "Aiko Yamamoto", TRIAL, "Calligraphy", "はじめての筆: the first brush",
        "Thirty minutes with brush and ink.", "Paper, ink and tea are there.",
        (("30 minutes", 30, 0),), "beginner", "ja",
    ),
    Offer(
        "Ren Takahashi", ONE_TO_ONE, "Ceramics", "At the wheel, one to one",
        "Ninety minutes, five kilos of clay, one bowl that stays.",
        "Firing and glaze are included. Please bring old trousers.",
        (("90 minutes", 90, 9800), ("Two hours", 120, 12400)), "beginner",
    ),
    Offer(
        "Ren Takahashi", GROUP, "Ceramics", "Kintsugi: mending with gold",
        "Bring something broken. Take home something better.",
        "We repair with lacquer and brass powder; two evenings make one cup.",
        (("Two hours", 120, 5200),), "all", "en", 6, ((6, 14),),
    ),
    Offer(
        "Ren Takahashi", TRIAL, "Ceramics", "Hands in clay",
        "Half an hour of pinching.", "No wheel, no fear. Free of charge.",
        (("30 minutes", 30, 0),), "beginner",
    ),
    Offer(
        "Naomi Clarke", ONE_TO_ONE, "Music", "Piano for grown-up beginners",
        "Chords first, scales later, a whole song by the fourth lesson.",
        "For people who always wanted to. A keyboard at home is enough.",
        (("45 minutes", 45, 5200), ("60 minutes", 60, 6800)), "beginner",
    ),
    Offer(
        "Naomi Clarke", ONE_TO_ONE, "Music", "Jazz harmony",
        "Why that chord hurts so beautifully.",
        "Standards, voicings, a little courage. For players who read music.",
        (("60 minutes", 60, 7600),), "advanced",
    ),
    Offer(
        "Naomi Clarke", GROUP, "Music", "Singers' evening",
        "Eight voices, one piano, no audience.",
        "We sing in parts. Reading music is not needed, listening is.",
        (("90 minutes", 90, 2800),), "all", "en", 8, ((0, 19),),
    ),
    Offer(
        "Sōta Nakamura", ONE_TO_ONE, "Music", "三味線: shamisen lessons",
        "Instrument, plectrum and patience are provided.",
        "We begin with a song that every child knows, and end where you want.",
        (("60 minutes", 60, 6000),), "beginner", "ja",
    ),
    Offer(
        "Emma Lindberg", ONE_TO_ONE, "Painting", "Watercolour outdoors",
        "Meguro river, Ueno park, or the view from your window.",
        "Small formats, much water. In rain we paint the rain.",
        (("90 minutes", 90, 8200),), "all",
    ),
    Offer(
        "Emma Lindberg", GROUP, "Painting", "Saturday in the park",
        "Six people, six stools, one tree.",
        "We meet at the east gate. Paper and brushes are included.",
        (("Two hours", 120, 4600),), "beginner", "en", 6, ((5, 10),),
    ),
    Offer(
        "Daichi Kobayashi", ONE_TO_ONE, "Printmaking", "Your first woodblock",
        "Design, carve, print: a postcard in three lessons.",
        "Tools are sharp and provided. You take the block home.",
        (("90 minutes", 90, 9200),), "beginner", "ja",
    ),
    Offer(
        "Daichi Kobayashi", GROUP, "Printmaking", "New Year's cards workshop",
        "Carve the animal of the year, print thirty cards.",
        "A wonderful noise: six people carving.",
        (("Three hours", 180, 6400),), "all", "ja", 6, ((6, 13),),
    ),
    Offer(
        "Mei Watanabe", ONE_TO_ONE, "Photography", "A walk with your camera",
        "Two hours, three streets, twelve pictures.",
        "Any camera will do, phones included. We look at the pictures in a kissaten afterwards.",
        (("Two hours", 120, 9900),), "all",
    ),
    Offer(
        "Mei Watanabe", GROUP, "Photography", "Night in Shinjuku",
        "Neon, rain, reflections: photographing in the dark.",
        "Tripods are not needed, good shoes are.",
        (("Two hours", 120, 4900),), "intermediate", "en", 6, ((4, 19),),
    ),
    Offer(
        "Mei Watanabe", TRIAL, "Photography", "Show me three pictures",
        "Half an hour about your own photos.", "Bring three that you like, and one that you do not.",
        (("30 minutes", 30, 0),), "all",
    ),
    Offer(
        "Emma Lindberg", GROUP, "Painting", "Ramen in watercolour",
        "Paint it, then eat it.",
        "A small shop in Nakano opens for us in the afternoon. Soup included.",
        (("Two hours", 120, 6800),), "all", "en", 5, becomes="submitted",
    ),
    Offer(
        "Sōta Nakamura", GROUP, "Music", "Theatre backstage",
        "An hour behind the curtain, with live music.", "For four people who can be quiet.",
        (("60 minutes", 60, 3000),), "all", "ja", 4, becomes="returned",
        reason="The theatre has to agree first. Please send me their answer, then I publish it at once.",
    ),
    Offer(
        "Mei Watanabe", ONE_TO_ONE, "Photography", "Darkroom basics",
        "Develop your first film.", "Smells of vinegar, looks like magic.", (("90 minutes", 90, 8800),),
        "beginner", becomes="draft",
    ),
)  # fmt: skip

ADULTS = (
    "Yui Tanaka", "Haruto Suzuki", "Sakura Ito", "Liam Walsh", "Aoi Matsuda", "Takumi Hayashi",
    "Charlotte Evans", "Riku Shimizu", "Hina Yoshida", "Minjun Park", "Akari Saito", "Yuto Fujita",
    "Isabelle Moreau", "Kaito Ishikawa", "Misaki Ogawa", "Oliver Grant", "Nanami Kondo", "Shota Maeda",
    "Wei Zhang", "Rin Okada", "Daniel Schmidt", "Honoka Goto", "Tsubasa Murakami", "Emily Carter",
    "Kenta Ueda", "Ayaka Sasaki", "Ravi Kapoor", "Mio Endo", "Yuma Aoki", "Hana Nishimura",
    "Lucas Ferreira", "Koharu Ota", "Sora Kinoshita", "Amelia Stone", "Itsuki Hasegawa", "Momoka Arai",
    "Jisoo Lee", "Yamato Fukuda", "Nozomi Hirano", "Ethan Brooks", "Rina Sugiyama", "Hiroto Kaneko",
    "Sophie Bernard", "Ichika Uchida", "Sho Takeda", "Ananya Rao", "Chihiro Nakano", "Ryo Miyazaki",
    "Freja Holm", "Asuka Kudo", "Tatsuya Harada", "Grace Thompson", "Mana Iwasaki", "Naoki Sakai",
    "Camila Rojas", "Eri Takeuchi", "Keisuke Wada", "Julia Meyer", "Saki Morita", "Yosuke Ando",
)  # fmt: skip

DIALOGUES = (
    Dialogue(
        (
            ("student", "こんにちは。Which pencils should I bring?"),
            ("tutor", "A 2B and a 4B are plenty. I have paper here for the first time."),
        ),
        first=True,
    ),
    Dialogue(
        (
            ("student", "はじめまして、{student}です。よろしくお願いします。"),
            ("tutor", "こちらこそ。Please come five minutes early, then there is tea."),
            ("student", "ありがとうございます!"),
        ),
        first=True,
    ),
    Dialogue((("tutor", "Your bowl survived the fire. The glaze has run a little; I like it very much."),
              ("student", "やった! May I pick it up on Saturday?"),
              ("tutor", "Of course, from ten on."))),
    Dialogue((("student", "すみません、the Yamanote line has stopped. Ten minutes."),
              ("tutor", "大丈夫です。The tea stays warm."))),
    Dialogue((("tutor", "Homework, if you like: draw your left hand with your right, every day."),
              ("student", "It looks like a crab. A sad crab."),
              ("tutor", "A sad crab is a very good beginning."))),
    Dialogue((("student", "Is there a place in the next group for my sister?"),
              ("tutor", "Two are left. She can book it on the page of the class."))),
    Dialogue((("student", "I practised the left hand for the whole week. The neighbours know the song now."),
              ("tutor", "Then it is time for the next one. 来週!"))),
)  # fmt: skip

COMPANY = Company(
    slug="tokyo-arts",
    name="Tokyo Arts",
    currency="JPY",
    timezone="Asia/Tokyo",
    locale="en",
    color="#b3261e",
    tagline="Learn with your hands, in the middle of Tokyo.",
    contacts=(
        ("email", "studio@tokyo-arts.example"),
        ("phone", "+81 3 5550 0123"),
    ),
    plan="studio",
    manager="Haruka Sato",
    subjects=("Drawing", "Calligraphy", "Ceramics", "Painting", "Music", "Printmaking", "Photography"),
    taxes=(("消費税 10%", "JP10", 1000),),
    policies=(Terms("A day ahead", 24 * 60, 5000), Terms("Materials bought", 48 * 60, 3000, 24 * 60, 1)),
    tutor_share_bp=7000,
    tutors=TUTORS,
    offers=OFFERS,
    adults=ADULTS,
    dialogues=DIALOGUES,
    why_cancelled=("A typhoon, no trains.", "残業です。", "I have a cold.", "My parents visit.",
                   "A business trip to Osaka."),
    why_called_off=("I have a fever. 申し訳ありません。", "The kiln is broken."),
    praise=(
        (5, "I drew my grandmother's hands, and she recognised them. I have nothing to add."),
        (5, "とても丁寧で、楽しい時間でした。また来ます。"),
        (5, "Quiet, precise, generous. The best ninety minutes of my month."),
        (4, "Beautiful place, a kind teacher. Hard to find the first time."),
        (5, "My bowl is crooked, and I love it."),
        (4, "I would like a little more theory. But I hear chords everywhere now."),
        (3, "A good lesson, but with seven people there was not much time for each."),
        (5, "初心者でも安心して参加できました。"),
        (5, "I have been in Tokyo for three years, and that walk showed me another city."),
        (2, "It rained, and there was no other date. A pity."),
        (4, "Good materials, good tea, good talk."),
    ),
    replies=("ありがとうございます。また来てください。", "Sorry about the rain! The next walk is yours.",
             "Crooked bowls hold the tea best."),
    invited=("Yuki Hoshino",),
    pace=0.47,
)  # fmt: skip
