"""Prices, tax and the seller, from settings, and what an order costs.

Money is in integer minor units (cents) of one currency. Tax is computed once per order, on the net
price, and rounded half up to the minor unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.conf import settings
from stdnum.eu import vat
from stdnum.exceptions import ValidationError as StdnumError

# fmt: off
EU = frozenset({  # ISO 3166
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})
# For these currencies, 12.34 is no price.
NOT_TWO_DECIMALS = frozenset({
    "BHD", "BIF", "CLF", "CLP", "DJF", "GNF", "IQD", "ISK", "JOD", "JPY", "KMF", "KRW", "KWD",
    "LYD", "OMR", "PYG", "RWF", "TND", "UGX", "UYI", "UYW", "VND", "VUV", "XAF", "XOF", "XPF",
})
# fmt: on

REVERSE_CHARGE = (
    "Reverse charge: the customer is liable for the VAT (Article 196 of Directive 2006/112/EC)."
)
OUTSIDE_THE_EU = "Not subject to EU VAT: the customer is outside the European Union."


@dataclass(frozen=True)
class Billing:
    """Where an invoice goes. `country` is an ISO 3166 code; `vat_id` starts with that of the EU."""

    street: str
    postal_code: str
    city: str
    country: str
    vat_id: str = ""
    purchase_order: str = ""


@dataclass(frozen=True)
class Quote:
    """What a term costs, in minor units. `tax_label` is empty if no tax is set."""

    currency: str
    net: int
    tax: int
    tax_label: str
    tax_note: str = ""

    @property
    def total(self) -> int:
        """The price with tax."""
        return self.net + self.tax


def by_card() -> bool:
    """Whether customers pay at Stripe. If not, they transfer money, and staff mark orders paid."""
    return bool(settings.STRIPE_SECRET_KEY)


def is_open() -> bool:
    """Whether Paid licenses can be ordered: all that an invoice needs is set."""
    return not missing() and not malformed()


def missing() -> list[str]:
    """Returns the names of the environment variables without which nothing can be ordered."""
    values = {
        "PRICE_1_MONTH": settings.PRICES[1],
        "PRICE_12_MONTHS": settings.PRICES[12],
        "TAX_RATE": settings.TAX_RATE,
        "SELLER_ADDRESS": settings.SELLER_ADDRESS,
        "SELLER_COUNTRY": settings.SELLER_COUNTRY,
        "BANK_DETAILS": settings.BANK_DETAILS or by_card(),
    }
    return [name for name, value in values.items() if not value]


def malformed() -> dict[str, str]:
    """Returns what is wrong with environment variables that are set, by name."""
    found = {}
    for months, name in ((1, "PRICE_1_MONTH"), (12, "PRICE_12_MONTHS")):
        price = settings.PRICES[months]
        if price and (not re.fullmatch(r"[0-9]{1,6}\.[0-9]{2}", price) or not _minor(price)):
            found[name] = "must be a net price above zero, like 99.00"
    if settings.TAX_RATE and not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,2})?", settings.TAX_RATE):
        found["TAX_RATE"] = "must be a percentage, like 19 or 8.1; 0 if you charge no tax"
    if not re.fullmatch(r"[A-Z]{3}", settings.CURRENCY) or settings.CURRENCY in NOT_TWO_DECIMALS:
        found["CURRENCY"] = "must be the ISO 4217 code of a currency with two decimals, like EUR"
    if settings.SELLER_COUNTRY and not re.fullmatch("[A-Z]{2}", settings.SELLER_COUNTRY):
        found["SELLER_COUNTRY"] = "must be an ISO 3166 code, like DE"
    return found


def quote(months: int, *, country: str = "", vat_id: str = "") -> Quote:
    """Returns what a term costs a customer of this country.

    A seller in the EU charges its VAT to customers in the EU, except those with a VAT id of another
    member state. Any other seller charges TAX_RATE to everybody. An empty country is the seller's.
    """
    net = _minor(settings.PRICES[months])
    rate, note = Decimal(settings.TAX_RATE), ""
    if not rate:
        return Quote(settings.CURRENCY, net, 0, "")
    home = settings.SELLER_COUNTRY
    country = country or home
    if home in EU and country != home:
        if country not in EU:
            rate, note = Decimal(0), OUTSIDE_THE_EU
        elif vat_id:
            rate, note = Decimal(0), REVERSE_CHARGE
    tax = int((net * rate / 100).quantize(Decimal(1), ROUND_HALF_UP))
    return Quote(settings.CURRENCY, net, tax, f"{settings.TAX_NAME} {rate.normalize():f}%", note)


def depends_on_country() -> bool:
    """Whether customers in some countries pay no tax that others pay."""
    return settings.SELLER_COUNTRY in EU and bool(Decimal(settings.TAX_RATE))


def vat_id_of(country: str, typed: str) -> str:
    """Returns the VAT id in its compact form. Raises ValueError with a message for people.

    For countries of the EU, the country, form and check digits are compared; nobody is asked
    whether the id exists. Ids of other countries are kept as they are.
    """
    if country not in EU:
        return typed.strip()
    prefix = "EL" if country == "GR" else country
    try:
        compact: str = vat.validate(typed)
    except StdnumError:
        compact = ""
    if not compact.startswith(prefix):
        msg = f"This is not a valid VAT id of the chosen country. It begins with {prefix}."
        raise ValueError(msg)
    return compact


def lines(text: str) -> list[str]:
    """Returns the lines of SELLER_ADDRESS or BANK_DETAILS, which are separated by semicolons."""
    return [line.strip() for line in re.split(r"[;\n]", text) if line.strip()]


def decimal(minor: int) -> Decimal:
    """Returns an amount in units of its currency, like 1178.10."""
    return Decimal(minor).scaleb(-2)


def money(minor: int, currency: str) -> str:
    """Returns an amount for people, like EUR 1,178.10."""
    return f"{currency} {decimal(minor):,.2f}"


def _minor(price: str) -> int:
    return int(price.replace(".", ""))
