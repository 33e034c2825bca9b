"""British spellings to American ones, by families of words."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final

__all__ = ["american_spelling"]

Family = tuple[str, str, str, str]  # British stem ending, American, stems, endings after it

OUR_STEMS: Final = (
    "arm behavi cand clam clang col demean discol disfav dishon enam endeav fav ferv flav harb hon hum lab neighb "
    "od parl ranc rig rum sav savi splend succ tum unfav val vap vig"
)
OUR_ENDINGS: Final = (
    " s ed ing able ably er ers ful fully less y ite ites itism al ally hood hoods ly liness ist ists red some"
)
ISE_STEMS: Final = (
    "acclimat actual agon alphabet american anaesthet anglic antagon apolog appet arbor author bapt bastard "
    "brutal burglar canal cannibal canon capital caramel catalyt categor cauter central character civil collectiv "
    "colon commercial computer containe conventional crimi criminal critic crystal crystall custom decentral "
    "dehuman demobil democrat demon demoral deodor depersonal destabil digit disorgan dogmat dramat econom empath "
    "emphas energ epitom equal etern eulog evangel extempor external factor familiar fantas fertil fictional "
    "final formal fossil fratern galvan general ghetto glamor global harmon homogen hospital human hypnot "
    "hypothes ideal idol immobil immortal immun individual industrial initial institutional intern internal "
    "international item jeopard legal legitim liberal lion local magnet marginal material maxim mechan memor "
    "mental mesmer metabol militar minim mobil modern moistur monopol moral motor national natural neutral "
    "nominal normal notar optim organ ostrac oxid pasteur patron penal personal philosoph plagiar polar popular "
    "pressur prior privat professional public pulver random rational real recogn regular reorgan revital "
    "revolution romantic rubber sanit satir scandal scrutin secular sensational sensit serial sermon social "
    "solemn special stabil standard steril stigmat subsid summar symbol sympath synchron synthes system systemat "
    "tantal temporar terror theor total tranquil trauma traumat tyrann union unpopular urban util vandal vapor "
    "verbal victim visual vital vocal vulcan western woman"
)
ISE_ENDINGS: Final = "e ed es er ers ing ingly able ation ations ational"
YSE_STEMS: Final = "anal breathal catal dial electrol hydrol paral psychoanal"
DOUBLED_STEMS: Final = (
    "barrel bevel cancel carol channel chisel counsel cudgel dial disembowel dishevel drivel duel enamel equal "
    "flannel fuel funnel gambol gravel grovel gruel initial jewel kennel label laurel level libel marshal marvel "
    "medal metal model panel parcel pencil peril quarrel ravel revel rival shovel shrivel signal snivel spiral "
    "squirrel stencil swivel symbol tassel tinsel total towel travel trowel tunnel unravel victual yodel"
)
DOUBLED_ENDINGS: Final = "ed ing er ers or ors ous ously ist ists ings"
RE_STEMS: Final = (
    "amphitheat calib cent centimet epicent fib goit kilomet lit lust maneuv meag met millilit millimet mit nit "
    "och philt reconnoit sab sepulch somb spect theat tit"
)
FAMILIES: Final[tuple[Family, ...]] = (
    ("our", "or", OUR_STEMS, OUR_ENDINGS),
    ("is", "iz", ISE_STEMS, ISE_ENDINGS),
    ("ys", "yz", YSE_STEMS, "e ed es er ers ing"),
    ("l", "", DOUBLED_STEMS, DOUBLED_ENDINGS),
    ("re", "er", RE_STEMS, " s"),
    ("red", "ered", "cent lust sepulch", ""),
    ("ring", "ering", "cent lust", ""),
    ("ogue", "og", "anal catal dial homol", " s"),
    ("ence", "ense", "def off pret lic", " s less"),
    ("ement", "ment", "acknowledg judg abridg", " s al"),
    ("aeo", "eo", "arch pal", "logy logist logists logical logically ntology ntologist ntologists"),
    ("ae", "e", "an", "mia mic sthetic sthetics sthetist sthetists sthesia"),
    ("ae", "e", "encyclop orthop p", "dia dias dic dics diatric diatrics diatrician diatricians"),
    (
        "ae",
        "e",
        "h leuk tox septic gyn",
        "moglobin morrhage morrhages morrhoids mophilia mia cology cologist cologists",
    ),
    ("ae", "e", "", "sthete sthetes sthetic sthetics sthetically on ons"),
    ("ae", "e", "an", "sthetise sthetised sthetize sthetized"),
    ("oeuvr", "euver", "man", "ed ing able ings"),
    ("oeuvre", "euver", "man", " s"),
    ("oe", "e", "f", "tus tuses tal"),
    ("pp", "p", "worshi", "ed ing er ers"),
    ("gg", "g", "wa", "on ons oner oners"),
    ("oe", "e", "", "sophagus strogen strogens dema"),
    ("ough", "ow", "pl", " s ed ing man"),
    ("ould", "old", "m sm", " s ed er ered ering ers ing ings y ier iest"),
)
SINGLE: Final = {
    "aeroplane": "airplane",
    "aeroplanes": "airplanes",
    "ageing": "aging",
    "aluminium": "aluminum",
    "appal": "appall",
    "artefact": "artifact",
    "artefacts": "artifacts",
    "axe": "ax",
    "cheque": "check",
    "cheques": "checks",
    "chequered": "checkered",
    "chilli": "chili",
    "cosy": "cozy",
    "councillor": "councilor",
    "councillors": "councilors",
    "cypher": "cipher",
    "crueller": "crueler",
    "cruellest": "cruelest",
    "diarrhoea": "diarrhea",
    "disc": "disk",
    "discs": "disks",
    "distil": "distill",
    "draught": "draft",
    "draughts": "drafts",
    "enrol": "enroll",
    "enthral": "enthrall",
    "fulfil": "fulfill",
    "fulfilment": "fulfillment",
    "fulfils": "fulfills",
    "furore": "furor",
    "gipsies": "gypsies",
    "gipsy": "gypsy",
    "gaol": "jail",
    "grey": "gray",
    "greyed": "grayed",
    "greying": "graying",
    "greyish": "grayish",
    "greys": "grays",
    "inflexion": "inflection",
    "instalment": "installment",
    "instalments": "installments",
    "instil": "instill",
    "jewellery": "jewelry",
    "kerb": "curb",
    "likeable": "likable",
    "liquorice": "licorice",
    "mediaeval": "medieval",
    "moustache": "mustache",
    "moustaches": "mustaches",
    "omelette": "omelet",
    "omelettes": "omelets",
    "practise": "practice",
    "practised": "practiced",
    "practises": "practices",
    "practising": "practicing",
    "programme": "program",
    "programmes": "programs",
    "pyjamas": "pajamas",
    "sceptic": "skeptic",
    "sceptical": "skeptical",
    "scepticism": "skepticism",
    "sceptics": "skeptics",
    "sizeable": "sizable",
    "snowplough": "snowplow",
    "speciality": "specialty",
    "storey": "story",
    "storeys": "stories",
    "sulphur": "sulfur",
    "tranquillity": "tranquility",
    "tyre": "tire",
    "tyres": "tires",
    "woollen": "woolen",
    "yoghurt": "yogurt",
}


def american_spelling(word: str) -> str:
    """Return the American spelling of a word in lower case; the word itself where there is no other."""
    return _mapping().get(word, word)


@cache
def _mapping() -> dict[str, str]:
    found = dict(SINGLE)
    for british, american, stems, endings in FAMILIES:
        for stem, ending in product(stems.split() or [""], endings.split(" ")):
            found[stem + british + ending] = stem + american + ending
    return found
