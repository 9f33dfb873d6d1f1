"""Invented people: names in several scripts, example domains only."""

import random
import unicodedata
from typing import Any

DOMAIN = "contoso.example"
HOME_DOMAIN = "fabrikam.example"
GIVEN = (
    *(
        "Noor",
        "Zoë",
        "Łukasz",
        "Anaïs",
        "Björn",
        "Søren",
        "José",
        "Mei",
        "Priya",
        "Yūki",
        "Oluwaseun",
        "Siobhán",
        "Željko",
    ),
    *(
        "Amira",
        "Chloé",
        "Ingrid",
        "Mateo",
        "Nguyệt",
        "Tomáš",
        "Ayşe",
        "Дмитрий",
        "Ελένη",
        "美咲",
        "志明",
        "سارة",
        "אורי",
    ),
)
SURNAMES = (
    *("Haddad", "Ólafsdóttir", "Wójcik", "Lefèvre", "Åkesson", "Nørgaard", "Muñoz", "Chen", "Iyer", "Satō", "Adébáyò"),
    *("O'Connor", "Kovačević", "El-Amin", "Müller", "van der Berg", "García Márquez", "Trần", "Dvořák", "Şahin"),
    *("Иванова", "Παπαδοπούλου", "高橋", "王", "الخطيب", "כהן"),
)
TITLES = (
    "Account Executive",
    "Sales Manager",
    "Sales Development Representative",
    "Customer Success Manager",
    "Analyst",
)
DEPARTMENTS = ("Sales", "Marketing", "Business Development", "Customer Success", "Finance")
CITIES = ("Dublin", "München", "São Paulo", "Kraków", "東京", "Zürich", "Reykjavík", "Chicago")
REGIONS = ("Nordics", "DACH", "Iberia", "Benelux", "Levant", "Andes", "Great Lakes", "Pacific", "Danube", "Sahel")


def person(user_id: str, number: int, source: random.Random) -> dict[str, Any]:
    """The properties of user ``number``. Some never had a mail address, some no employee id, one in 40 is disabled."""
    given, surname = source.choice(GIVEN), source.choice(SURNAMES)
    name = f"{slug(given)}.{slug(surname)}.{number}@{DOMAIN}"
    properties: dict[str, Any] = {
        "id": user_id,
        "userPrincipalName": name,
        "displayName": f"{given} {surname}",
        "givenName": given,
        "surname": surname,
        "jobTitle": source.choice(TITLES),
        "department": source.choice(DEPARTMENTS),
        "city": source.choice(CITIES),
        "accountEnabled": number % 40 != 39,
        "userType": "Member",
    }
    if number % 50 != 49:
        properties["mail"] = name
    if number % 10 != 9:
        properties["employeeId"] = f"E{number:06d}"
    if number % 100 == 99:
        guest(properties)
    return properties


def guest(properties: dict[str, Any]) -> None:
    """Make a person of the tenant one of another: the name is that of the home tenant with ``#EXT#`` in it."""
    local = str(properties["userPrincipalName"]).partition("@")[0]
    properties["userType"] = "Guest"
    properties["userPrincipalName"] = f"{local}_{HOME_DOMAIN}#EXT#@{DOMAIN}"
    properties["mail"] = f"{local}@{HOME_DOMAIN}"


def slug(name: str) -> str:
    """An ASCII form for addresses; "user" for a name in another script."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.casefold() if letter.isalnum()) or "user"


def group_name(number: int) -> str:
    """The display name of group ``number``, different for each."""
    region = REGIONS[number % len(REGIONS)]
    return f"Sales {region}" if number < len(REGIONS) else f"Sales {region} {number // len(REGIONS) + 1}"
