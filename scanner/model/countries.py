"""Countries and geographies as Azure names them, as messages: these names differ from one language to the next."""

from typing import Final

from scanner.model.message import Message

_COUNTRIES: Final = (
    Message("Asia Pacific"),
    Message("Australia"),
    Message("Austria"),
    Message("Belgium"),
    Message("Brazil"),
    Message("Canada"),
    Message("Denmark"),
    Message("Europe"),
    Message("Finland"),
    Message("France"),
    Message("Germany"),
    Message("Greece"),
    Message("Hong Kong"),
    Message("India"),
    Message("Indonesia"),
    Message("Ireland"),
    Message("Israel"),
    Message("Italy"),
    Message("Japan"),
    Message("Korea"),
    Message("Malaysia"),
    Message("Mexico"),
    Message("Netherlands"),
    Message("New Zealand"),
    Message("Norway"),
    Message("Poland"),
    Message("Portugal"),
    Message("Qatar"),
    Message("Singapore"),
    Message("South Africa"),
    Message("Spain"),
    Message("Sweden"),
    Message("Switzerland"),
    Message("UAE"),
    Message("United Kingdom"),
    Message("United States"),
)
_BY_NAME: Final = {str(each): each for each in _COUNTRIES}


def country(name: str) -> str:
    """Return the message of a country or geography, and any other name, such as a city, unchanged."""
    return _BY_NAME.get(name, name)
