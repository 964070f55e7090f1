"""Lays out a document as a PDF.

The font has Latin, Greek and Cyrillic letters, among others, but no Chinese, Japanese or Korean
ones: a box stands for each of them. The page of the document, which can be printed, has all.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

from fpdf import FPDF, XPos, YPos
from fpdf.enums import Align
from fpdf.fonts import TTFFont

from panel.documents import Document, Facts

FONTS = Path(__file__).parent / "fonts"
WIDTH, LEFT, LABEL, LINE = 170, 20, 50, 6  # millimeters

# At INFO and WARNING, they name the customer's letters that the font lacks.
for name in ("fpdf", "fontTools"):
    logging.getLogger(name).setLevel(logging.ERROR)


def render(document: Document) -> bytes:
    """Returns the PDF. The same document always results in the same text and date."""
    pdf = FPDF(format="A4")
    pdf.set_margins(LEFT, 20, 20)
    pdf.c_margin = 0  # so that text and rules begin at the same edge
    pdf.set_title(document.title)
    pdf.set_lang("en-US")
    pdf.set_creation_date(document.dated_at)
    pdf.add_font("body", "", FONTS / "DejaVuSans.ttf")
    pdf.add_font("body", "B", FONTS / "DejaVuSans-Bold.ttf")
    pdf.add_page()
    _text(pdf, document.seller, size=9)
    pdf.ln(8)
    _text(pdf, document.buyer)
    pdf.ln(10)
    _text(pdf, document.title, style="B", size=16)
    pdf.ln(2)
    _facts(pdf, document.facts)
    pdf.ln(6)
    _rule(pdf)
    _text(pdf, document.item)
    pdf.ln(2)
    _rule(pdf)
    for label, amount in document.amounts:
        style = "B" if label == "Total" else ""
        _row(pdf, label, amount, style=style, align=Align.R)
    _rule(pdf)
    for note in document.notes:
        _text(pdf, note)
        pdf.ln(2)
    if document.bank_details:
        pdf.ln(4)
        _text(pdf, "Please transfer the total to", style="B")
        _text(pdf, document.bank_details)
        _facts(pdf, [("Reference", document.reference)])
    return bytes(pdf.output())


def _drawable(pdf: FPDF, text: str) -> str:
    """Returns the text with a box for each letter that the font lacks, which would be invisible."""
    font = cast(TTFFont, pdf.fonts["body"])
    return "".join(
        one if one == "\n" or ord(one) in font.cmap else "\N{WHITE SQUARE}" for one in text
    )


def _text(pdf: FPDF, text: str, *, style: str = "", size: float = 10) -> None:
    pdf.set_font("body", style, size)
    pdf.multi_cell(
        WIDTH, size * 0.55, _drawable(pdf, text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT
    )


def _facts(pdf: FPDF, facts: Facts) -> None:
    for label, value in facts:
        _row(pdf, label, value)


def _row(pdf: FPDF, label: str, value: str, *, style: str = "", align: Align = Align.L) -> None:
    pdf.set_font("body", style, 10)
    pdf.cell(LABEL, LINE, label)
    text = _drawable(pdf, value)
    pdf.multi_cell(WIDTH - LABEL, LINE, text, align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _rule(pdf: FPDF) -> None:
    pdf.ln(1)
    pdf.set_draw_color(160)
    pdf.line(LEFT, pdf.get_y(), LEFT + WIDTH, pdf.get_y())
    pdf.ln(2)
